(* Label smoothing with at most three classes: benign at every temperature. docs/theory.md, "Label smoothing of two and
   three classes". *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.classical Require Import boolp classical_sets functions.
From mathcomp.analysis Require Import reals signed topology normedtype sequences derive realfun exp.
From mathcomp Require Import ring.
From Sphere Require Import Definitions Algebra Calculus Landscape TheoremC Affine CrossEntropy Losses.
Set Implicit Arguments. Unset Strict Implicit. Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Import numFieldTopology.Exports numFieldNormedType.Exports.
Local Open Scope ring_scope.

(* two or three unit columns that are affinely dependent: two of them are equal *)
Section Coincide.
Variables (R : realType) (d : nat).

Lemma on_a_line (a b c : 'I_d -> R) (s t : R) : sqn a = 1 -> sqn b = 1 -> sqn c = 1 -> s != 0 -> t != 0 ->
  (forall e, s * (b e - a e) + t * (c e - a e) = 0) -> (forall e, a e = c e) \/ (forall e, b e = c e).
Proof.
move=> a1 b1 c1 s0 t0 h; pose v e := c e - a e; pose m : R := - (t / s).
have bE e : b e = a e + m * v e.
  have -> : b e = (s * (b e - a e) + t * (c e - a e)) / s + (a e + m * (c e - a e)) by rewrite /m; field.
  by rewrite h mul0r add0r.
pose p := \sum_e a e * v e; pose q := sqn v.
have e1 : 2 * p + q = 0.
  have : sqn c = sqn a + 2 * p + q.
    by rewrite /sqn /p /q mulr_sumr -!big_split; apply: eq_bigr => e _; rewrite /v /=; ring.
  by rewrite a1 c1 -addrA => e; apply: (addrI 1); rewrite -e addr0.
have e2 : m * (2 * p + m * q) = 0.
  have : sqn b = sqn a + m * (2 * p + m * q).
    rewrite /sqn /p /q !mulr_sumr -!big_split !mulr_sumr -big_split; apply: eq_bigr => e _; rewrite bE /=; ring.
  by rewrite a1 b1 => e; apply: (addrI 1); rewrite -e addr0.
have m0 : m != 0 by rewrite oppr_eq0 mulf_neq0 // invr_neq0.
have e3 : (m - 1) * q = 0.
  move/eqP: e2; rewrite mulf_eq0 (negPf m0) /= => /eqP e2.
  by rewrite -[RHS](subrr 0) -{1}e2 -e1; ring.
move/eqP: e3; rewrite mulf_eq0 => /orP[|/eqP q0]; last first.
  left=> e; apply/eqP; rewrite eq_sym -subr_eq0; case: (eqVneq (c e - a e) 0) => // ve.
  by have := @sqn_gt0 _ _ v e ve; rewrite -/q q0 ltxx.
by rewrite subr_eq0 => /eqP m1; right=> e; rewrite bE m1 mul1r /v addrC subrK.
Qed.

Lemma two_coincide K (W : 'M[R]_(d,K)) : (1 < K)%N -> (K <= 3)%N -> unitc W -> ~ affine_independent W ->
  exists j k : 'I_K, j != k /\ forall a, W a j = W a k.
Proof.
move=> K1 K3 uW; have u k : sqn (fun a => W a k) = 1 by rewrite -(uW k); apply: eq_bigr => a _; rewrite expr2.
move/existsNP => [c] /not_implyP [c0 /not_implyP [Wc /existsNP [m /eqP cm]]].
have pair (j k : 'I_K) (s : R) : s != 0 -> (forall a, s * (W a j - W a k) = 0) -> forall a, W a j = W a k.
  by move=> s0 h a; move/eqP: (h a); rewrite mulf_eq0 (negPf s0) subr_eq0 => /eqP.
case: K W K1 K3 uW u c c0 Wc m cm pair => [|[|[|[|K]]]] // W _ _ uW u c.
  rewrite !big_ord_recl big_ord0 addr0 => c0 Wc m cm pair; exists (lift ord0 ord0), ord0; split=> //.
  apply: (pair _ _ (c (lift ord0 ord0))) => [|a].
    apply/eqP => z; move: c0 cm; rewrite z addr0 => z0.
    by case: (unliftP ord0 m) => [m'|] ->; rewrite ?(ord1 m') ?z ?z0 eqxx.
  have := Wc a; rewrite !big_ord_recl big_ord0 addr0.
  by move/(canRL (addrK _)): c0 => ->; rewrite sub0r => <-; ring.
rewrite !big_ord_recl big_ord0 addr0; set i1 := lift _ _; set i2 := lift _ (lift _ _).
move=> c0 Wc m cm pair.
have c0E : c ord0 = - (c i1 + c i2) by apply/eqP; rewrite -addr_eq0 c0.
have h a : c i1 * (W a i1 - W a ord0) + c i2 * (W a i2 - W a ord0) = 0.
  by have := Wc a; rewrite !big_ord_recl big_ord0 addr0 -/i1 -/i2 c0E => <-; ring.
have [z1|n1] := eqVneq (c i1) 0.
  exists i2, ord0; split=> //; apply: (pair _ _ (c i2)) => [|a]; last by rewrite -(h a) z1 mul0r add0r.
  apply/eqP => z2; move: cm; suff -> : c m = 0 by rewrite eqxx.
  case: (unliftP ord0 m) => [m'|] ->; last by rewrite c0E z1 z2 addr0 oppr0.
  by case: (unliftP ord0 m') => [m''|] ->; rewrite ?(ord1 m'').
have [z2|n2] := eqVneq (c i2) 0.
  exists i1, ord0; split=> //; apply: (pair _ _ (c i1)) => [//|a]; by rewrite -(h a) z2 mul0r addr0.
case: (on_a_line (u ord0) (u i1) (u i2) n1 n2 h) => e; first by exists ord0, i2.
by exists i1, i2.
Qed.
End Coincide.

(* ---- three classes, two classifiers equal ---- *)
Section ThreeClasses.
Variables (R : realType) (d N : nat) (y : 'I_N -> 'I_3) (T eps : R) (om : 'I_N -> R).
Hypotheses (T0 : 0 < T) (om0 : forall i, 0 < om i) (eps0 : 0 < eps) (eps1 : eps < 1) (d3 : (2 < d)%N).
Let q := smooth_target y eps.
Let g := soft_grad q (fun=> T) (fun _ _ => 0) om.
Let Q := soft_hess (K := 3) (fun=> T) (fun _ _ => 0) om.
Variables (W : 'M[R]_(d,3)) (H : 'M[R]_(d,N)).
Hypotheses (uW : unitc W) (uH : unitc H) (crit : critical g W H).
Variables (j k l : 'I_3).
Hypotheses (jk : j != k) (lj : l != j) (lk : l != k) (wjk : forall a, W a j = W a k).
Local Notation G := (Gm g W H).
Local Notation be := (beta g W H).
Local Notation al := (alpha g W H).
Let off : 'I_3 -> 'I_N -> R := fun _ _ => 0.
Let P i m := prob (fun=> T) off i (scores W H i) m.

Lemma sum3 (F : 'I_3 -> R) : \sum_m F m = F j + F k + F l.
Proof.
rewrite (bigD1 j) //= (bigD1 k) /=; last by rewrite eq_sym.
rewrite (bigD1 l) /=; last by rewrite lj lk.
rewrite big1 ?addr0 ?addrA // => m /andP[/andP[mj mk] ml].
by move: mj mk ml jk lj lk; case: m j k l => [[|[|[|?]]] ?] [[|[|[|?]]] ?] [[|[|[|?]]] ?] [[|[|[|?]]] ?].
Qed.

Lemma is_three (m : 'I_3) : [\/ m = j, m = k | m = l].
Proof.
have [->|mj] := eqVneq m j; first by constructor.
have [->|mk] := eqVneq m k; first by constructor.
have [->|ml] := eqVneq m l; first by constructor.
by move: mj mk ml jk lj lk; case: m j k l => [[|[|[|?]]] ?] [[|[|[|?]]] ?] [[|[|[|?]]] ?] [[|[|[|?]]] ?].
Qed.

Lemma same_scores i : scores W H i j = scores W H i k.
Proof. by apply: eq_bigr => a _; rewrite wjk. Qed.

Lemma same_prob i : P i j = P i k.
Proof. by rewrite /P /prob /lg same_scores. Qed.

Lemma prob_sum3 i : P i l = 1 - 2 * P i j.
Proof.
have e : P i j + P i k + P i l = 1 by rewrite -(sum3 (P i)); apply: (prob_sum1 _ _ (y i)).
rewrite -same_prob in e.
have -> : P i l = P i j + P i j + P i l - 2 * P i j by ring.
by rewrite e.
Qed.

Lemma targets i : q (y i) i = 1 - eps + eps / 3 /\ forall m, m != y i -> q m i = eps / 3.
Proof.
split=> [|m /negPf my]; first by rewrite /q /smooth_target eqxx mulr1.
by rewrite /q /smooth_target my mulr0 add0r.
Qed.


Lemma gE m i : G m i = T * om i * (P i m - q m i). Proof. by []. Qed.
Lemma Tom i : 0 < T * om i. Proof. by rewrite mulr_gt0. Qed.

Lemma G_sum i : G j i + G k i = - G l i.
Proof.
have := soft_shift (fun=> T) off om y (smooth_sum1 y eps (isT : (1 < 3)%N)).
by case=> h _ _; have := h i (scores W H i); rewrite sum3 => /eqP; rewrite addr_eq0 => /eqP.
Qed.

(* a sample of class j or k sees equal probabilities against different targets *)
Lemma vanishes_label i : (forall m, G m i = 0) -> y i = l.
Proof.
move=> g0; have e m : P i m = q m i.
  by apply/eqP; rewrite -subr_eq0; have /eqP := g0 m; rewrite gE mulf_eq0 gt_eqF ?Tom.
have [own oth] := targets i; have ne : 1 - eps + eps / 3 != eps / 3 :> R.
  by rewrite -subr_eq0 addrK subr_eq0 eq_sym lt_eqF.
case: (is_three (y i)) => // yi; case/eqP: ne.
  by rewrite -own -(oth k) yi 1?eq_sym // -!e same_prob.
by rewrite -own -(oth j) yi // -!e same_prob.
Qed.

(* W g_i = g_li (w_l - w) *)
Lemma WgE i a : \sum_m W a m * G m i = G l i * (W a l - W a j).
Proof. rewrite sum3 -wjk; have := G_sum i => /eqP; rewrite -subr_eq0 opprK => /eqP h; rewrite -[RHS]addr0 -(mulr0 (W a j)) -h; ring. Qed.

Hypothesis apart : exists a, W a l != W a j.

(* no sample outside J has beta_i = 0, or there is negative curvature *)
Lemma zero_beta i : be i = 0 -> (exists m, G m i != 0) -> neg_curv g Q W H.
Proof.
move=> b0 [m Gm0]; have sh := soft_shift (fun=> T) off om y (smooth_sum1 y eps (isT : (1 < 3)%N)).
have [a0 aa] := apart.
have gl0 : G l i = 0.
  have : G l i * (W a0 l - W a0 j) = 0 by rewrite -WgE; case: crit => _ ->; rewrite b0 mulr0.
  by move/eqP; rewrite mulf_eq0 subr_eq0 (negPf aa) orbF => /eqP.
have [n Gn] : exists n, G n i != 0 by exists m.
pose A : 'M[R]_(d,1) := \matrix_(a,_) (W a l - W a j).
have [v [[a va] vA vH]] := exists_orth2 A H ord0 i d3.
have vlj : bdot v W l = bdot v W j.
  by apply/eqP; rewrite -subr_eq0 -vA /bdot -sumrB; apply/eqP; apply: eq_bigr => b _; rewrite mxE mulrBr.
have vW n' : bdot v W n' = bdot v W j.
  case: (is_three n') => -> //; by apply: eq_bigr => b _; rewrite wjk.
apply: (turn uW vH vW (or_intror sh) b0 Gn); apply/eqP => vc.
by case/eqP: aa; rewrite !(aligned uW va vW vc).
Qed.

(* a positive beta_i: h_i moves normal to the classifiers *)
Lemma positive_beta i : 0 < be i -> neg_curv g Q W H.
Proof.
move=> b0; have [b [[a ba] bj bl]] := exists_orth2 W W j l d3.
have bW m : bdot b W m = 0 by case: (is_three m) => -> //; rewrite -bj; apply: eq_bigr => c _; rewrite wjk.
have bH : bdot b H i = 0.
  by rewrite (bdot_H crit) ?gt_eqF // big1 ?mul0r // => m _; rewrite bW mul0r.
apply: (neg_one bH); rewrite big1 => [|m _]; last by apply: big1 => n _; rewrite !bW !mulr0.
by rewrite sub0r oppr_lt0 mulr_gt0 // (sqn_gt0 ba).
Qed.

(* unit vectors that are neither equal nor opposite are independent *)
Lemma not_parallel (x t : R) : (exists a, W a l != - W a j) -> (forall a, W a j * x = W a l * t) -> x = 0 /\ t = 0.
Proof.
move=> [a1 n1] h; have [a0 n0] := apart; have xt : x ^+ 2 = t ^+ 2.
  have := uW j; have := uW l; rewrite /dotc => ul uj.
  rewrite -[LHS]mul1r -uj -[RHS]mul1r -ul !mulr_suml; apply: eq_bigr => a _.
  by rewrite -!expr2 -!exprMn h.
have [t0|t0] := eqVneq t 0; first by move: xt; rewrite t0 expr0n => /eqP; rewrite sqrf_eq0 => /eqP.
move/eqP: xt; rewrite eqf_sqr => /orP[] /eqP e.
  by case/eqP: n0; apply: (mulIf t0); rewrite -h e.
by case/eqP: n1; apply: (mulIf t0); rewrite -h e mulrN mulNr.
Qed.

Section Vanishing.
Variable i0 : 'I_N.
Hypothesis g0 : forall m, G m i0 = 0.
Hypotheses (bneg : forall i, be i <= 0) (gb : forall i, be i = 0 -> forall m, G m i = 0).
Variables (i1 : 'I_N).
Hypothesis b1 : be i1 < 0.

Lemma H_line a i : be i != 0 -> H a i = G l i / be i * (W a l - W a j).
Proof. by move=> b; rewrite (H_eq crit) // WgE mulrAC. Qed.

(* the classifiers are not opposite: sum of beta = sum of alpha = 0 *)
Lemma not_opposite : (exists a, W a l != - W a j) -> False.
Proof.
move=> opp; have line m a : W a m * al m = (W a l - W a j) * (\sum_i G l i / be i * G m i).
  case: crit => <- _; rewrite mulr_sumr; apply: eq_bigr => i _; have [b0|b0] := eqVneq (be i) 0.
    by rewrite (gb b0 m) !mulr0.
  by rewrite (H_line _ b0); ring.
have al0 m : al m = 0.
  have := line m; set s := \sum_i _ => hm; case: (is_three m) => e; rewrite e in hm *.
  - have [] := @not_parallel (al j + s) s opp; last by move=> + s0; rewrite s0 addr0.
    by move=> a; rewrite mulrDr hm; ring.
  - have [] := @not_parallel (al k + s) s opp; last by move=> + s0; rewrite s0 addr0.
    by move=> a; rewrite mulrDr {1}wjk hm; ring.
  - have [] := @not_parallel (- s) (al l - s) opp; last by move=> /eqP; rewrite oppr_eq0 => /eqP ->; rewrite subr0.
    by move=> a; rewrite mulrBr hm; ring.
have sb : \sum_i - be i = 0.
  rewrite sumrN; apply/eqP; rewrite oppr_eq0; apply/eqP.
  by rewrite /beta -(sum_alphaE g W H) big1.
have n0 i : 0 <= - be i by rewrite oppr_ge0.
have /eqP := psumr_eq0P (fun i _ => n0 i) sb (i := i1) isT.
by rewrite oppr_eq0 lt_eqF.
Qed.

(* ... or they are *)
Hypothesis opp : forall a, W a l = - W a j.
Let x := dotc W H j i1.

Lemma opp_scores i : dotc W H l i = - dotc W H j i.
Proof. by rewrite /dotc -sumrN; apply: eq_bigr => a _; rewrite opp mulNr. Qed.

Lemma opp_beta : be i1 = - (2 * x * G l i1).
Proof.
rewrite /beta sum3 opp_scores -/x (_ : dotc W H k i1 = x); last by rewrite /x; apply: eq_bigr => a _; rewrite wjk.
have e := G_sum i1; transitivity ((G j i1 + G k i1) * x - G l i1 * x); first by ring.
by rewrite e; ring.
Qed.

Lemma opp_sign : x = 1 \/ x = -1.
Proof.
have b0 : be i1 != 0 by rewrite lt_eqF.
pose s := - (2 * G l i1 / be i1).
have hE a : H a i1 = s * W a j by rewrite (H_line _ b0) opp /s; ring.
have xs : x = s.
  rewrite /x /dotc; transitivity (s * dotc W W j j); last by rewrite uW mulr1.
  by rewrite /dotc mulr_sumr; apply: eq_bigr => a _; rewrite hE; ring.
have /eqP : s ^+ 2 = 1.
  rewrite -(uH i1) /dotc -[LHS]mulr1 -(uW j) /dotc mulr_sumr; apply: eq_bigr => a _.
  by rewrite !hE; ring.
by rewrite xs sqrf_eq1 => /orP[] /eqP; [left|right].
Qed.

Let D : R := 1 + 3 * (1 - eps) / eps.
Let DE : eps * D = 3 - 2 * eps. Proof. by rewrite /D; field; rewrite gt_eqF. Qed.

(* sample i0 reaches the least margin *)
Lemma wide : D <= expR (2 * T).
Proof.
have y0 := vanishes_label g0; have jy : j != y i0 by rewrite y0 eq_sym.
have := smooth_grad0 (isT : (1 < 3)%N) (fun=> T0) om0 eps0 jy g0.
rewrite /lg /scores y0 !addr0 opp_scores => e.
have Dp : 0 < D by rewrite addr_gt0 ?divr_gt0 ?mulr_gt0 ?ltr0n ?subr_gt0.
rewrite -[D]lnK ?qualifE // ler_expR /D -e.
have := dotc_geN1 j i0 uW uH; rewrite -ler_oppl => h.
have -> : T * - dotc W H j i0 - T * dotc W H j i0 = T * 2 * - dotc W H j i0 by ring.
by rewrite -[X in _ <= X]mulr1 [2 * T]mulrC ler_pmul2l // mulr_gt0.
Qed.

(* the probabilities at i1 *)
Lemma opp_prob : P i1 l = expR (- (2 * T * x)) * P i1 j.
Proof.
rewrite /P /prob mulrA; congr (_ / _); rewrite /lg /scores !addr0 opp_scores -/x.
by rewrite -expRD; congr expR; ring.
Qed.

Lemma opposite : False.
Proof.
have p0 : 0 < P i1 j by apply: (prob_gt0 _ _ (y i1)).
have pl := prob_sum3 i1; have pr := opp_prob; have w := wide.
have Dp : 0 < D by rewrite addr_gt0 ?divr_gt0 ?mulr_gt0 ?ltr0n ?subr_gt0.
have [own oth] := targets i1.
(* the target of class l is between eps / 3 and 1 - 2 eps / 3 *)
have ql : eps / 3 <= q l i1 /\ q l i1 <= 1 - 2 * (eps / 3).
  have h : 1 - eps + eps / 3 = 1 - 2 * (eps / 3) by field.
  have e3 : eps / 3 <= 1 - 2 * (eps / 3).
    have e13 : 1 - 2 * (eps / 3) - eps / 3 = 1 - eps by field.
    by rewrite -subr_ge0 e13 subr_ge0 ltW.
  have [yl|yl] := eqVneq l (y i1); first by rewrite yl own h.
  by rewrite oth.
suff : 0 <= be i1 by rewrite leNgt b1.
rewrite opp_beta gE oppr_ge0.
have -> : 2 * x * (T * om i1 * (P i1 l - q l i1)) = 2 * (T * om i1) * (x * (P i1 l - q l i1)) by ring.
rewrite pmulr_rle0; last by rewrite mulr_gt0 ?Tom ?ltr0n.
have X0 := expR_gt0 (2 * T); set X := expR (2 * T) in w X0.
case: opp_sign => e; rewrite e in pr *.
- (* the feature at the pair: p_l = exp(- 2 T) p_j *)
  rewrite mul1r subr_le0; apply: le_trans ql.1.
  have pX : P i1 l * X = P i1 j by rewrite pr mulr1 expRN mulrAC mulVf ?mul1r // gt_eqF.
  have pl0 : 0 < P i1 l by apply: (prob_gt0 _ _ (y i1)).
  have h1 : P i1 l * (1 + 2 * D) <= 1.
    have e1 : P i1 l * (1 + 2 * X) = 1.
      by transitivity (P i1 l + 2 * (P i1 l * X)); [ring|rewrite pX pl; ring].
    by rewrite -[X0 in _ <= X0]e1 ler_pmul2l // ler_add2l ler_pmul2l ?ltr0n.
  rewrite ler_pdivl_mulr ?ltr0n //; apply: (@le_trans _ _ (eps * (P i1 l * (1 + 2 * D)))); last first.
    by rewrite -[X in _ <= X]mulr1 ler_pmul2l.
  have -> : eps * (P i1 l * (1 + 2 * D)) = P i1 l * (eps + 2 * (eps * D)) by ring.
  rewrite ler_pmul2l // DE.
  rewrite -subr_ge0; have -> : eps + 2 * (3 - 2 * eps) - 3 = 3 * (1 - eps) by ring.
  by rewrite mulr_ge0 ?ler0n // subr_ge0 ltW.
(* the feature at w_l: p_l = exp(2 T) p_j *)
rewrite mulN1r oppr_le0 subr_ge0; apply: le_trans ql.2 _; rewrite pl ler_add2l ler_opp2 ler_pmul2l ?ltr0n //.
have pX : P i1 l = X * P i1 j by rewrite pr mulrN1 opprK.
have h1 : P i1 j * (D + 2) <= 1.
  have e1 : P i1 j * (X + 2) = 1.
    by transitivity (X * P i1 j + 2 * P i1 j); [ring|rewrite -pX pl; ring].
  by rewrite -[X1 in _ <= X1]e1 ler_pmul2l // ler_add2r.
have -> : eps / 3 = (D + 2)^-1.
  have h : eps * (D + 2) = 3 by rewrite mulrDr DE; ring.
  have e0 : D + 2 != 0 by apply/eqP => z; move: h; rewrite z mulr0 => /esym/eqP; rewrite pnatr_eq0.
  by rewrite -h invfM mulrA divff ?mul1r // gt_eqF.
have D2 : 0 < D + 2 by rewrite addr_gt0 ?ltr0n.
by rewrite -(ler_pmul2r D2) mulVf ?gt_eqF.
Qed.
End Vanishing.

Lemma dichotomy_pair i0 : (forall m, G m i0 = 0) -> psd g W H \/ neg_curv g Q W H.
Proof.
move=> g0; have [[i p]|np] := EM (exists i, 0 < be i); first by right; apply: positive_beta p.
have bneg i : be i <= 0 by rewrite leNgt; apply/negP => p; apply: np; exists i.
have [[i [b0 ex]]|nz] := EM (exists i, be i = 0 /\ exists m, G m i != 0); first by right; apply: zero_beta b0 ex.
have gb i : be i = 0 -> forall m, G m i = 0.
  by move=> b0 m; apply/eqP/negPn/negP => Gm; apply: nz; exists i; split=> //; exists m.
have [[i1 b1]|nb] := EM (exists i, be i < 0); last first.
  left; apply: psd_trivial => m i; apply: gb; apply/eqP; rewrite eq_le bneg leNgt; apply/negP => b.
  by apply: nb; exists i.
have no : ~ exists a, W a l != - W a j by move=> o; move: o; eapply not_opposite; eassumption.
have op a : W a l = - W a j by apply/eqP/negPn/negP => ne; apply: no; exists a.
by exfalso; eapply opposite; eassumption.
Qed.
End ThreeClasses.

(* ---- at most three classes ---- *)
Lemma dichotomy_three (R : realType) (d K N : nat) (y : 'I_N -> 'I_K) (T eps : R) (om : 'I_N -> R)
  (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)) (g := soft_grad (smooth_target y eps) (fun=> T) (fun _ _ => 0) om)
  (Q := soft_hess (fun=> T) (fun _ _ => 0) om) : (1 < K)%N -> (K <= 3)%N -> (2 < d)%N -> 0 < T ->
  (forall i, 0 < om i) -> 0 < eps -> eps < 1 -> unitc W -> unitc H -> critical g W H -> psd g W H \/ neg_curv g Q W H.
Proof.
move=> K1 K3 d3 T0 om0 eps0 eps1 uW uH crit.
have dK : (K <= d)%N := leq_trans K3 d3.
have sh : shift_inv g Q := soft_shift (fun=> T) (fun _ _ => 0) om y (smooth_sum1 y eps K1).
have [ind|dep] := EM (affine_independent W); first exact: dichotomy_affine crit sh ind dK.
have [[i0 g0]|ng] := EM (exists i, forall m, Gm g W H m i = 0); last first.
  apply: (dichotomy_C_shift uW crit _ sh dK d3) => i; apply: contrapT => /forallNP g0.
  by apply: ng; exists i => m; apply/eqP/negPn/negP/g0.
have [j [k [jk wjk]]] := two_coincide K1 K3 uW dep.
(* a sample whose gradient vanishes has a third class *)
have other m n : m != n -> (forall a, W a m = W a n) -> y i0 != m.
  move=> mn e; apply/eqP => yi; rewrite -yi in mn; rewrite eq_sym in mn.
  have := smooth_grad0 K1 (fun=> T0) om0 eps0 mn g0.
  have -> : lg (fun=> T) (fun _ _ => 0) i0 (scores W H i0) n = lg (fun=> T) (fun _ _ => 0) i0 (scores W H i0) (y i0).
    by rewrite /lg yi; congr (_ * _ + _); apply: eq_bigr => a _; rewrite e.
  have pos : 1 < 1 + K%:R * (1 - eps) / eps.
    by rewrite ltr_addl divr_gt0 ?mulr_gt0 ?subr_gt0 // ltr0n ltnW.
  have := ln_gt0 pos; rewrite subrr => + z; by rewrite -z ltxx.
have yj := other j k jk wjk.
have yk : y i0 != k by apply: (other k j) => [|a]; [rewrite eq_sym|rewrite wjk].
have u : uniq [:: j; k; y i0] by rewrite /= !inE negb_or jk eq_sym yj eq_sym yk.
have K3' : K = 3%N.
  by apply/eqP; rewrite eqn_leq K3; have := max_card (mem [:: j; k; y i0]); rewrite (card_uniqP u) card_ord.
subst K.
apply: (@dichotomy_pair R d N y T eps om T0 om0 eps0 eps1 d3 W H uW uH crit j k (y i0) jk yj yk wjk _ i0 g0).
apply: contrapT => /forallNP same; have lj a : W a (y i0) = W a j by apply/eqP/negPn/negP => /same.
by move: (other (y i0) j yj lj); rewrite eqxx.
Qed.
