(* Two classes, K = 2: every critical point outside the collapsed family, in closed form, in every dimension.
   e = (w_0 - w_1) / r with r = |w_0 - w_1|; features are s_i e for class 0 and - s_i e for class 1, s_i = 1 or -1. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.classical Require Import boolp classical_sets functions.
From mathcomp.analysis Require Import reals signed topology normedtype sequences derive realfun exp.
From mathcomp Require Import ring.
From Sphere Require Import Definitions Algebra Calculus Landscape TheoremC CrossEntropy TheoremS.
Set Implicit Arguments. Unset Strict Implicit. Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Import numFieldTopology.Exports numFieldNormedType.Exports.
Local Open Scope ring_scope.

Section Two.
Variables (R : realType) (d N : nat) (y : 'I_N -> 'I_2) (T : R) (om : 'I_N -> R).
Hypotheses (T0 : 0 < T) (om0 : forall i, 0 < om i).
Local Notation off := (fun (_ : 'I_2) (_ : 'I_N) => 0).
Local Notation g := (soft_grad (onehot R y) (fun=> T) off om).
Variables (W : 'M[R]_(d,2)) (H : 'M[R]_(d,N)).
Hypotheses (uW : unitc W) (uH : unitc H).
Local Notation G := (Gm g W H).

(* signs: 1 for class 0, -1 for class 1; the other class *)
Definition lab i : R := if y i == 0 then 1 else -1.
Definition other i : 'I_2 := if y i == 0 then 1 else 0.
Definition dw a := W a 0 - W a 1.
Definition dist := Num.sqrt (sqn dw).
Hypothesis apart : 0 < dist.

Lemma lab2 i : lab i * lab i = 1. Proof. by rewrite /lab; case: ifP => _; rewrite ?mulrNN mulr1. Qed.

Lemma sqn_dw : sqn dw = dist ^+ 2.
Proof. by rewrite sqr_sqrtr //; apply: sumr_ge0 => a _; apply: sqr_ge0. Qed.

(* the gradient is one number per sample: T om_i times the probability of the other class *)
Definition pr i := prob (fun=> T) off i (scores W H i) (other i).
Definition c i := T * om i * pr i.

Lemma c_gt0 i : 0 < c i.
Proof. by apply: mulr_gt0; [apply: mulr_gt0|rewrite /pr; apply: (prob_gt0 _ _ (y i))]. Qed.

Lemma two_sum (F : 'I_2 -> R) : \sum_k F k = F 0 + F 1.
Proof. by rewrite big_ord_recl big_ord1; congr (_ + F _); apply/val_inj. Qed.

Lemma G_two k i : G k i = (if k == 0 then - 1 else 1) * lab i * c i.
Proof.
have s : \sum_k G k i = 0 by apply: CE_sum0.
have oth : G (other i) i = c i.
  rewrite /c /pr /Gm /soft_grad /onehot /other; case: (eqVneq (y i) 0) => [->|n] /=; first by rewrite subr0.
  by have -> : (0 == y i) = false; [rewrite eq_sym (negPf n)|rewrite subr0].
move: s oth; rewrite two_sum /other /lab => /eqP; rewrite addr_eq0 => /eqP e.
have k01 : k = 0 \/ k = 1 by case: k => [[|[|//]] ?]; [left|right]; apply/val_inj.
have e1 : G 1 i = - G 0 i by rewrite e opprK.
case: (y i == 0) => oth; case: k01 => -> /=.
- by rewrite e oth; ring.
- by rewrite oth; ring.
- by rewrite oth; ring.
- by rewrite e1 oth; ring.
Qed.

(* the logit margin of sample i and the probability of the other class *)
Lemma pr_logistic i : pr i = (1 + expR (T * (lab i * bdot dw H i)))^-1.
Proof.
have dwE : bdot dw H i = dotc W H 0 i - dotc W H 1 i.
  by rewrite /bdot /dotc -sumrB; apply: eq_bigr => a _; rewrite /dw; ring.
have p (x : R) : expR x != 0 by rewrite gt_eqF // expR_gt0.
have q (x x' : R) : expR x + expR x' != 0 by rewrite gt_eqF // addr_gt0 // expR_gt0.
have z k : lg (fun=> T) off i (scores W H i) k = T * dotc W H k i by rewrite /lg addr0.
rewrite /pr /prob two_sum !z /other /lab dwE.
case: (y i == 0) => /=; move: (dotc W H 0 i) (dotc W H 1 i) => A B.
  by rewrite mul1r mulrBr expRB; field; rewrite ?p ?q ?andbT // addrC q.
by rewrite mulN1r opprB mulrBr expRB; field; rewrite ?p ?q ?andbT // addrC q.
Qed.

Section Forward.
Hypothesis crit : critical g W H.

(* W g_i = - lab_i c_i (w_0 - w_1) = beta_i h_i *)
Lemma Wg_two a i : H a i * beta g W H i = - (lab i * c i * dw a).
Proof. by case: crit => _ <-; rewrite two_sum !G_two /= /dw; ring. Qed.

Lemma beta_two i : beta g W H i ^+ 2 = (c i * dist) ^+ 2.
Proof.
have -> : beta g W H i ^+ 2 = \sum_a (H a i * beta g W H i) ^+ 2.
  have -> : beta g W H i ^+ 2 = dotc H H i i * beta g W H i ^+ 2 by rewrite uH mul1r.
  by rewrite /dotc mulr_suml; apply: eq_bigr => a _; ring.
under eq_bigr do rewrite Wg_two.
have -> : (c i * dist) ^+ 2 = c i ^+ 2 * sqn dw by rewrite sqn_dw; ring.
rewrite /sqn mulr_sumr; apply: eq_bigr => a _.
have -> : (- (lab i * c i * dw a)) ^+ 2 = lab i * lab i * (c i ^+ 2 * dw a ^+ 2) by ring.
by rewrite lab2 mul1r.
Qed.

(* s_i = - beta_i / (c_i r) *)
Lemma features_two : exists s : 'I_N -> R, (forall i, s i = 1 \/ s i = -1) /\
  forall a i, H a i = s i * lab i * dw a / dist.
Proof.
have cd i : c i * dist != 0 by rewrite gt_eqF // mulr_gt0 ?c_gt0.
exists (fun i => - (beta g W H i / (c i * dist))); split=> [i|a i].
  have : (- (beta g W H i / (c i * dist))) ^+ 2 = 1 by rewrite sqrrN expr_div_n beta_two divff // expf_neq0.
  move/eqP; rewrite sqrf_eq1 => /orP[/eqP ->|/eqP ->]; by [left|right].
have b0 : beta g W H i != 0 by rewrite -sqrf_eq0 beta_two expf_neq0.
apply: (mulIf b0); rewrite Wg_two.
have -> : - (beta g W H i / (c i * dist)) * lab i * dw a / dist * beta g W H i =
   - (beta g W H i ^+ 2 / (c i * dist ^+ 2) * lab i * dw a).
  by field; rewrite gt_eqF // gt_eqF ?c_gt0.
by rewrite beta_two; congr (- _); field; rewrite gt_eqF // gt_eqF ?c_gt0.
Qed.
End Forward.

Section Given.
Variable s : 'I_N -> R.
Hypotheses (s1 : forall i, s i = 1 \/ s i = -1) (HE : forall a i, H a i = s i * lab i * dw a / dist).
(* total weights of the two signs *)
Definition plus := \sum_(i | s i == 1) om i.
Definition minus := \sum_(i | s i == -1) om i.
Let u := expR (T * dist).
Let u0 : 0 < u. Proof. exact: expR_gt0. Qed.

Lemma margin_two i : lab i * bdot dw H i = s i * dist.
Proof.
transitivity (s i * (lab i * lab i) * (sqn dw / dist)).
  rewrite /bdot /sqn mulr_suml !mulr_sumr; apply: eq_bigr => a _; rewrite HE; ring.
by rewrite lab2 sqn_dw mulr1; congr (_ * _); field; rewrite gt_eqF.
Qed.

(* sum_i om_i p_i s_i = (plus - u minus) / (1 + u) *)
Lemma balance_two : \sum_i c i * s i = T * (plus - u * minus) / (1 + u).
Proof.
have n1 : (1 : R) == -1 = false by rewrite -subr_eq0 opprK -(natrD _ 1 1) pnatr_eq0.
have -> : plus - u * minus = \sum_i ((if s i == 1 then om i else 0) - u * (if s i == -1 then om i else 0)).
  by rewrite /plus /minus big_mkcond [X in u * X]big_mkcond mulr_sumr -sumrB.
rewrite mulr_sumr mulr_suml; apply: eq_bigr => i _; rewrite /c pr_logistic margin_two.
have p : 1 + u != 0 by rewrite gt_eqF // addr_gt0.
case: (s1 i) => ->; rewrite ?eqxx ?n1 ?[_ == 1]eq_sym ?n1 ?mul1r.
  by rewrite -/u; field.
rewrite (_ : T * (-1 * dist) = - (T * dist)) ?expRN -/u; last by ring.
by field; rewrite p gt_eqF // addrC.
Qed.

(* H G^T, one column at a time *)
Lemma rows_two a k : \sum_i H a i * G k i = (if k == 0 then -1 else 1) * (\sum_i c i * s i) * dw a / dist.
Proof.
rewrite mulr_sumr !mulr_suml; apply: eq_bigr => i _; rewrite HE G_two.
transitivity ((if k == 0 then -1 else 1) * (c i * s i) * (lab i * lab i) * dw a / dist); first by ring.
by rewrite lab2 mulr1.
Qed.

Lemma alpha_sum k : alpha g W H k = \sum_a W a k * (\sum_i H a i * G k i).
Proof.
rewrite /alpha /dotc; under [RHS]eq_bigr do rewrite mulr_sumr.
rewrite [RHS]exchange_big; apply: eq_bigr => i _; rewrite mulr_sumr; apply: eq_bigr => a _; ring.
Qed.

(* opposite classifiers: dw = 2 w_0 *)
Definition opposite := forall a, W a 1 = - W a 0.

Let dn : dist != 0. Proof. by rewrite gt_eqF. Qed.
Let pu : 1 + u != 0. Proof. by rewrite gt_eqF // addr_gt0. Qed.

(* if the weights do not balance, w_0 - w_1 is a multiple of w_0, so w_1 = - w_0 *)
Lemma two_opposite : critical g W H -> plus - u * minus != 0 -> opposite.
Proof.
move=> [c1 _] ne; pose m := \sum_i c i * s i.
have m0 : m != 0 by rewrite /m balance_two !mulf_neq0 ?invr_eq0 // gt_eqF.
pose l := - alpha g W H 0 * dist / m.
have dwl a : dw a = l * W a 0.
  have := c1 a 0; rewrite rows_two eqxx -/m => e.
  have -> : l * W a 0 = - (W a 0 * alpha g W H 0) * dist / m by rewrite /l; ring.
  by rewrite -e; field; rewrite m0.
have w1 a : W a 1 = (1 - l) * W a 0 by rewrite mulrBl mul1r -dwl /dw; ring.
have : (1 - l) ^+ 2 = 1.
  transitivity ((1 - l) ^+ 2 * dotc W W 0 0); first by rewrite uW mulr1.
  by rewrite -[RHS](uW 1) /dotc mulr_sumr; apply: eq_bigr => a _; rewrite !w1; ring.
move/eqP; rewrite sqrf_eq1 => /orP[/eqP e|/eqP e] a; last by rewrite w1 e mulN1r.
have z : sqn dw = 0 by apply: big1 => b _; rewrite /dw w1 e mul1r subrr expr0n.
by move: apart; rewrite /dist z sqrtr0 ltxx.
Qed.

(* the features are always critical *)
Lemma two_features a i : \sum_k W a k * G k i = H a i * beta g W H i.
Proof.
rewrite two_sum !G_two /= /beta two_sum !G_two /= HE.
have -> : W a 0 * (-1 * lab i * c i) + W a 1 * (1 * lab i * c i) = - (lab i * c i * dw a) by rewrite /dw; ring.
have -> : -1 * lab i * c i * dotc W H 0 i + 1 * lab i * c i * dotc W H 1 i = - (c i * (lab i * bdot dw H i)).
  have -> : bdot dw H i = dotc W H 0 i - dotc W H 1 i.
    by rewrite /bdot /dotc -sumrB; apply: eq_bigr => b _; rewrite /dw; ring.
  ring.
rewrite margin_two; have ss : s i * s i = 1 by case: (s1 i) => ->; rewrite ?mulrNN mulr1.
transitivity (- (s i * s i * (lab i * c i * dw a))); first by rewrite ss mul1r.
by field.
Qed.

Lemma critical_two : critical g W H <-> (opposite \/ plus = u * minus).
Proof.
split=> [cr|h].
  case: (eqVneq (plus - u * minus) 0) => [/eqP|ne]; first by rewrite subr_eq0 => /eqP; right.
  by left; apply: two_opposite.
split=> [a k|a i]; last exact: two_features.
rewrite alpha_sum; under [X in _ = _ * X]eq_bigr do rewrite rows_two.
rewrite rows_two; case: h => [op|e]; last first.
  have -> : \sum_i c i * s i = 0 by rewrite balance_two e subrr mulr0 mul0r.
  by rewrite [X in _ = _ * X]big1 => [|b _]; ring.
have d2 b : dw b = (if k == 0 then 1 else -1) * 2 * W b k.
  have k01 : k = 0 \/ k = 1 by case: (k) => [[|[|//]] ?]; [left|right]; apply/val_inj.
  by case: k01 => -> /=; rewrite /dw op; ring.
set x := (if k == 0 then -1 else 1) * _; set y2 : R := (if k == 0 then 1 else -1) * 2.
have -> : \sum_a0 W a0 k * (x * dw a0 / dist) = x * y2 / dist * dotc W W k k.
  by rewrite /dotc mulr_sumr; apply: eq_bigr => b _; rewrite d2 -/y2; ring.
by rewrite uW d2 -/y2; ring.
Qed.
End Given.
End Two.
