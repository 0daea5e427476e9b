(* The minimum for balanced classes: docs/theory.md, "The minimum, where it is known". Its value, the configurations
   that attain it (and only they: neural collapse), and that simplex frames exist exactly for d >= K - 1. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.classical Require Import boolp classical_sets functions.
From mathcomp.analysis Require Import reals signed topology normedtype sequences derive realfun exp.
From mathcomp Require Import ring.
From Sphere Require Import Definitions Algebra CrossEntropy.
Set Implicit Arguments. Unset Strict Implicit. Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Import numFieldTopology.Exports numFieldNormedType.Exports.
Local Open Scope ring_scope.

Section GibbsEq.
Variable R : realType.
Lemma expR_gt1x (x : R) : x != 0 -> 1 + x < expR x.
Proof.
move=> x0; case: (lerP 0 (1 + x / 2)) => h.
  have -> : expR x = expR (x / 2) ^+ 2.
    by rewrite expr2 -expRD; congr expR; field.
  apply: (@lt_le_trans _ _ ((1 + x / 2) ^+ 2)).
    have -> : (1 + x / 2) ^+ 2 = 1 + x + (x / 2) ^+ 2 by field.
    have h2 : (2 : R)^-1 != 0 by rewrite invr_eq0 pnatr_eq0.
    by rewrite ltr_addl lt_neqAle sqr_ge0 andbT eq_sym sqrf_eq0 mulf_neq0.
  by rewrite ler_sqr ?nnegrE ?expR_ge1 // ltW // expR_gt0.
apply: lt_trans (expR_gt0 x).
have -> : 1 + x = (1 + x / 2) * 2 - 1 by field.
rewrite subr_lt0; apply: lt_trans ltr01.
by rewrite pmulr_llt0.
Qed.

Lemma gibbs_eq (n : nat) (k0 : 'I_n) (z z' : 'I_n -> R) :
  ln (\sum_k expR (z' k)) - ln (\sum_k expR (z k)) <=
  \sum_k (expR (z k) / (\sum_j expR (z j))) * (z' k - z k) ->
  forall k, z' k - z k = ln (\sum_k expR (z' k)) - ln (\sum_k expR (z k)).
Proof.
set S := \sum_j expR (z j); set S' := \sum_k expR (z' k).
have S0 : 0 < S by apply: (sum_gt0 k0) => k; apply: expR_gt0.
have S'0 : 0 < S' by apply: (sum_gt0 k0) => k; apply: expR_gt0.
set L := _ - _ => hle.
have eL : expR L = S' / S by rewrite /L expRB !lnK ?qualifE.
pose D k := expR (z k) / S * (expR (z' k - z k - L) - (1 + (z' k - z k - L))).
have D0 k : 0 <= D k.
  by rewrite mulr_ge0 ?subr_ge0 ?expR_ge1 // divr_ge0 // ltW // expR_gt0.
have sD : \sum_k D k = \sum_k expR (z' k) / S' - ((\sum_k expR (z k) / S) * (1 - L)
     + \sum_k expR (z k) / S * (z' k - z k)).
  rewrite mulr_suml -big_split /= -sumrB; apply: eq_bigr => k _.
  rewrite /D [X in _ * (X - _)]expRB eL [expR (z' k - z k)]expRB; field.
  by rewrite !gt_eqF // expR_gt0.
have sD0 : \sum_k D k = 0.
  apply/eqP; rewrite eq_le; apply/andP; split; last by apply: sumr_ge0.
  rewrite sD -!mulr_suml -/S -/S' !divff ?gt_eqF // mul1r opprD addrA opprB addrCA subrr addr0.
  by rewrite subr_le0.
move=> k; have /eqP := psumr_eq0P (fun k _ => D0 k) sD0 (i := k) isT.
rewrite mulf_eq0 gt_eqF /=; last by rewrite divr_gt0 ?expR_gt0.
rewrite subr_eq0 => /eqP e; apply/eqP; rewrite -subr_eq0; apply/negP => /negP ne.
by have := expR_gt1x ne; rewrite e ltxx.
Qed.
End GibbsEq.

Lemma sum_sq3 (R : realType) n (A B C : 'I_n -> R) : \sum_a (A a - B a - C a) ^+ 2 =
  \sum_a (A a - B a) ^+ 2 + \sum_a C a ^+ 2 - 2 * \sum_a (A a - B a) * C a.
Proof. by rewrite mulr_sumr -big_split /= -sumrB; apply: eq_bigr => a _; ring. Qed.

Lemma sum_var1 (R : realType) n (B : 'I_n -> R) (c : R) : \sum_k (B k - c) ^+ 2 =
  \sum_k B k ^+ 2 - 2 * c * (\sum_k B k) + n%:R * c ^+ 2.
Proof.
have -> : n%:R * c ^+ 2 = \sum_(k < n) c ^+ 2 by rewrite sumr_const card_ord mulr_natl.
by rewrite mulr_sumr -sumrB -big_split /=; apply: eq_bigr => a _; ring.
Qed.

Section Collapse.
Variables (R : realType) (d K N : nat) (y : 'I_N -> 'I_K) (T : R) (om : 'I_N -> R).
Hypotheses (K2 : (1 < K)%N) (T0 : 0 < T) (om0 : forall i, 0 < om i).
Hypothesis bal : balanced y om.
Local Notation tau := (fun=> T).
Local Notation off := (fun _ _ => 0).
Local Notation f := (@cost R d K N y tau off om).

Let c : R := T * K%:R / (K%:R - 1).
Local Notation fmin := (@balanced_minimum R K T).

Lemma K0 : (0 : R) < K%:R. Proof. by rewrite ltr0n; apply: ltnW. Qed.
Lemma K1 : (0 : R) < K%:R - 1. Proof. by rewrite subr_gt0 ltr1n. Qed.

Lemma sum_class (F : 'I_K -> R) : \sum_i om i * F (y i) = (K%:R)^-1 * \sum_k F k.
Proof.
rewrite (partition_big y xpredT) //= mulr_sumr; apply: eq_bigr => k _.
rewrite -(bal k) mulr_suml; apply: eq_bigr => i /eqP -> //.
Qed.

Lemma sum_om : \sum_i om i = 1.
Proof.
have := sum_class (fun=> 1); under eq_bigr do rewrite mulr1.
by move=> ->; rewrite sumr_const card_ord mulVf // gt_eqF // K0.
Qed.

Let z0 (l k : 'I_K) : R := c * (k == l)%:R.
Let S0 := expR c + (K%:R - 1).
Lemma S00 : 0 < S0. Proof. by rewrite addr_gt0 ?expR_gt0 ?K1. Qed.

Lemma sum_z0 l : \sum_k expR (z0 l k) = S0.
Proof.
rewrite (bigD1 l) //= /z0 eqxx mulr1; congr (_ + _).
rewrite (eq_bigr (fun=> 1)) => [|k /negPf ->]; last by rewrite mulr0 expR0.
have := sumr_const 'I_K (1 : R); rewrite card_ord => e.
have : \sum_(k : 'I_K) (1 : R) = K%:R by rewrite sumr_const card_ord.
by rewrite (bigD1 l) //= => <-; rewrite addrC addKr.
Qed.

Lemma fminE l : fmin = ln (\sum_k expR (z0 l k)) - z0 l l.
Proof.
rewrite sum_z0 /z0 eqxx mulr1 -[X in _ - X]expK -ln_div ?qualifE ?expR_gt0 ?S00 //.
rewrite /balanced_minimum -/c expRN /S0; congr ln; field.
by rewrite gt_eqF // expR_gt0.
Qed.

Variables (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)).
Hypotheses (uW : unitc W) (uH : unitc H).
Let wb a := (K%:R)^-1 * \sum_k W a k.

(* one sample *)
Definition lin i := S0^-1 * T * K%:R * (1 - \sum_a (W a (y i) - wb a) * H a i).

Lemma linE i : \sum_k expR (z0 (y i) k) / (\sum_j expR (z0 (y i) j)) *
     (logit tau off W H k i - z0 (y i) k) - (logit tau off W H (y i) i - z0 (y i) (y i)) = lin i.
Proof.
rewrite sum_z0.
have SN : S0 != 0 by rewrite gt_eqF // S00.
have KN : K%:R != 0 :> R by rewrite gt_eqF // K0.
have KN1 : K%:R - 1 != 0 :> R by rewrite gt_eqF // K1.
have e k : expR (z0 (y i) k) / S0 = S0^-1 + (1 - K%:R * S0^-1) * delta R (y i) k.
  rewrite /z0 /delta; case: eqP => _; last by rewrite !mulr0 expR0 addr0 mul1r.
  rewrite !mulr1; have -> : expR c = S0 - (K%:R - 1) by rewrite /S0 addrK.
  by field.
have -> : \sum_k expR (z0 (y i) k) / S0 * (logit tau off W H k i - z0 (y i) k) =
   S0^-1 * (\sum_k logit tau off W H k i - c) + (1 - K%:R * S0^-1) * (logit tau off W H (y i) i - c).
  have -> : c = \sum_k z0 (y i) k by rewrite -(sum_delta (y i) (fun=> c)).
  rewrite -sumrB.
  have -> : logit tau off W H (y i) i - \sum_k z0 (y i) k =
    \sum_k (logit tau off W H k i - z0 (y i) k) * delta R (y i) k.
    rewrite (sum_delta (y i) (fun k => logit tau off W H k i - z0 (y i) k)); congr (_ - _).
    by rewrite /z0 (sum_delta (y i) (fun=> c)) eqxx mulr1.
  rewrite !mulr_sumr -big_split /=; apply: eq_bigr => k _; rewrite e; ring.
rewrite /z0 eqxx mulr1 /lin.
have -> : \sum_k logit tau off W H k i = T * K%:R * \sum_a wb a * H a i.
  rewrite /logit /wb; under eq_bigr do rewrite addr0.
  rewrite -mulr_sumr -mulrA; congr (_ * _).
  rewrite mulr_sumr exchange_big /=; apply: eq_bigr => a _.
  by rewrite -mulr_suml mulrA mulrA divff // mul1r.
have -> : \sum_a (W a (y i) - wb a) * H a i = dotc W H (y i) i - \sum_a wb a * H a i.
  by rewrite -sumrB; apply: eq_bigr => a _; rewrite mulrBl.
rewrite /logit addr0; set A := dotc _ _ _ _; set B := \sum_a _.
rewrite /c; field; by rewrite KN1 SN.
Qed.

Lemma cost_ge_lin : \sum_i om i * lin i <= f W H - fmin.
Proof.
rewrite -[fmin]mul1r -sum_om mulr_suml /cost -sumrB; apply: ler_sum => i _.
rewrite -mulrBr ler_pmul2l // -linE (fminE (y i)).
have g := gibbs (y i) (z0 (y i)) (fun k => logit tau off W H k i).
rewrite -/(sumexp tau off W H i) in g.
set L := ln (sumexp _ _ _ _ _) in g *; set L0 := ln _ in g *.
have -> : L - logit tau off W H (y i) i - (L0 - z0 (y i) (y i)) =
   L - L0 - (logit tau off W H (y i) i - z0 (y i) (y i)) by ring.
by rewrite ler_add2r.
Qed.

Lemma linS : \sum_i om i * lin i = S0^-1 * T * K%:R / 2 *
   (\sum_i om i * (\sum_a (W a (y i) - wb a - H a i) ^+ 2) + \sum_a wb a ^+ 2).
Proof.
have KN : K%:R != 0 :> R by rewrite gt_eqF // K0.
have HH i : \sum_a H a i ^+ 2 = 1 by rewrite -(uH i); apply: eq_bigr => a _; rewrite expr2.
have WW i : \sum_a W a i ^+ 2 = 1 by rewrite -(uW i); apply: eq_bigr => a _; rewrite expr2.
have e1 i : \sum_a (W a (y i) - wb a - H a i) ^+ 2 =
   \sum_a (W a (y i) - wb a) ^+ 2 + 1 - 2 * \sum_a (W a (y i) - wb a) * H a i.
  by rewrite sum_sq3 HH.
have e2 : \sum_i om i * (\sum_a (W a (y i) - wb a) ^+ 2) = 1 - \sum_a wb a ^+ 2.
  rewrite (sum_class (fun k => \sum_a (W a k - wb a) ^+ 2)).
  have -> : \sum_k \sum_a (W a k - wb a) ^+ 2 = K%:R - K%:R * (\sum_a wb a ^+ 2).
    rewrite exchange_big /=.
    have -> : \sum_a \sum_k (W a k - wb a) ^+ 2 = \sum_a (\sum_k W a k ^+ 2 - K%:R * wb a ^+ 2).
      apply: eq_bigr => a _.
      have sw : \sum_k W a k = K%:R * wb a by rewrite /wb mulrA divff // mul1r.
      rewrite sum_var1 sw; ring.
    rewrite sumrB mulr_sumr exchange_big /=; congr (_ - _).
    by under eq_bigr do rewrite WW; rewrite sumr_const card_ord.
  by rewrite mulrBr mulrA mulVf // mul1r.
under [in RHS]eq_bigr do rewrite e1 mulrBr mulrDr mulr1.
rewrite sumrB big_split /= e2 sum_om.
have -> : \sum_i om i * (2 * (\sum_a (W a (y i) - wb a) * H a i)) =
   2 * (\sum_i om i * (\sum_a (W a (y i) - wb a) * H a i)).
  by rewrite mulr_sumr; apply: eq_bigr => i _; rewrite mulrCA.
have -> : \sum_i om i * lin i = S0^-1 * T * K%:R * (1 - \sum_i om i * (\sum_a (W a (y i) - wb a) * H a i)).
  transitivity (S0^-1 * T * K%:R * (\sum_i om i - \sum_i om i * (\sum_a (W a (y i) - wb a) * H a i)));
    last by rewrite sum_om.
  rewrite -sumrB mulr_sumr; apply: eq_bigr => i _; rewrite /lin; ring.
move: (\sum_i om i * _) => X; pose B2 := \sum_a wb a ^+ 2.
have -> : \sum_(a < d) wb a ^+ 2 = B2 by [].
rewrite -/B2; clearbody B2; field.
by rewrite gt_eqF // S00.
Qed.

Lemma coef0 : 0 < S0^-1 * T * K%:R / 2.
Proof. by rewrite divr_gt0 // !mulr_gt0 ?K0 // invr_gt0 S00. Qed.

(* the global lower bound *)
Lemma fmin_le : fmin <= f W H.
Proof.
rewrite -subr_ge0; apply: le_trans cost_ge_lin; rewrite linS.
apply: mulr_ge0; first by apply: ltW; apply: coef0.
apply: addr_ge0; last by apply: sumr_ge0 => a _; apply: sqr_ge0.
apply: sumr_ge0 => i _; apply: mulr_ge0; first exact: ltW.
by apply: sumr_ge0 => a _; apply: sqr_ge0.
Qed.

Lemma class_nonempty k : exists i, y i = k.
Proof.
apply: contrapT => /forallNP ne.
have := bal k; rewrite big_pred0 => [/esym/eqP|i]; last by apply/eqP/ne.
by rewrite invr_eq0 gt_eqF // K0.
Qed.

(* ---- equality only at neural collapse ---- *)
Section Equality.
Hypothesis low : f W H <= fmin.

Let q0 i : 0 <= om i * (\sum_a (W a (y i) - wb a - H a i) ^+ 2).
Proof. by apply: mulr_ge0; [apply: ltW|apply: sumr_ge0 => a _; apply: sqr_ge0]. Qed.

(* the squares of linS vanish *)
Lemma squares0 : \sum_i om i * (\sum_a (W a (y i) - wb a - H a i) ^+ 2) = 0 /\ \sum_a wb a ^+ 2 = 0.
Proof.
have s1 : 0 <= \sum_i om i * (\sum_a (W a (y i) - wb a - H a i) ^+ 2) by apply: sumr_ge0 => i _; apply: q0.
have s2 : 0 <= \sum_a wb a ^+ 2 by apply: sumr_ge0 => a _; apply: sqr_ge0.
have := le_trans cost_ge_lin (_ : f W H - fmin <= 0); rewrite subr_le0 linS => /(_ low).
rewrite pmulr_rle0 ?coef0 // => le0; have /eqP : _ = 0 := le_anti (introT andP (conj le0 (addr_ge0 s1 s2))).
by rewrite paddr_eq0 // => /andP[/eqP -> /eqP ->].
Qed.

(* the classifiers have mean zero *)
Lemma mean0 a : wb a = 0.
Proof.
have [_ z2] := squares0; have /eqP := psumr_eq0P (fun a _ => sqr_ge0 (wb a)) z2 (i := a) isT.
by rewrite sqrf_eq0 => /eqP.
Qed.

(* every feature lies at its classifier *)
Lemma aligned_features i a : H a i = W a (y i).
Proof.
have [z1 _] := squares0; have /eqP := psumr_eq0P (fun i _ => q0 i) z1 (i := i) isT.
rewrite mulf_eq0 gt_eqF //= => /eqP z3.
have /eqP := psumr_eq0P (fun a _ => sqr_ge0 (W a (y i) - wb a - H a i)) z3 (i := a) isT.
by rewrite sqrf_eq0 mean0 subr0 subr_eq0 => /eqP.
Qed.

Lemma lin0 i : lin i = 0.
Proof.
rewrite /lin; have -> : \sum_a (W a (y i) - wb a) * H a i = 1; last by rewrite subrr mulr0.
by rewrite -(uW (y i)); apply: eq_bigr => a _; rewrite mean0 subr0 aligned_features.
Qed.

Lemma lin0E i : \sum_k expR (z0 (y i) k) / (\sum_j expR (z0 (y i) j)) * (logit tau off W H k i - z0 (y i) k) =
  logit tau off W H (y i) i - z0 (y i) (y i).
Proof. by have /eqP := linE i; rewrite lin0 subr_eq0 => /eqP. Qed.

(* the tangent inequality is an equality for every sample *)
Lemma sample_equality i : ln (sumexp tau off W H i) - ln (\sum_k expR (z0 (y i) k)) <=
  \sum_k expR (z0 (y i) k) / (\sum_j expR (z0 (y i) j)) * (logit tau off W H k i - z0 (y i) k).
Proof.
pose D j := ln (sumexp tau off W H j) - logit tau off W H (y j) j - fmin.
have Dge j : 0 <= om j * D j.
  apply: mulr_ge0; first exact: ltW.
  have g := gibbs (y j) (z0 (y j)) (fun k => logit tau off W H k j).
  rewrite -/(sumexp tau off W H j) lin0E -subr_ge0 in g; rewrite /D (fminE (y j)).
  apply: le_trans g _; rewrite le_eqVlt; apply/orP; left; apply/eqP; ring.
have sD : \sum_j om j * D j <= 0.
  have -> : \sum_j om j * D j = f W H - fmin; last by rewrite subr_le0.
  by rewrite -[fmin]mul1r -sum_om mulr_suml /cost -sumrB; apply: eq_bigr => j _; rewrite -mulrBr.
have sD0 : \sum_j om j * D j = 0.
  by apply/eqP; rewrite eq_le sD /=; apply: sumr_ge0 => j _; apply: Dge.
have /eqP := psumr_eq0P (fun j _ => Dge j) sD0 (i := i) isT.
rewrite mulf_eq0 gt_eqF //= => /eqP; rewrite /D (fminE (y i)) lin0E => e.
rewrite -subr_le0 (_ : _ - _ = 0) //; rewrite -[RHS]e; move: (ln _) (ln _) => L L0; ring.
Qed.

Lemma fmin_eq : neural_collapse y W H.
Proof.
split=> [|k l kl]; first exact: aligned_features.
have [i yi] := class_nonempty l; have ge := gibbs_eq (y i) (sample_equality i).
have := ge k; rewrite -(ge (y i)) /z0 eqxx mulr1 yi (negPf kl) mulr0 subr0 /logit !addr0.
have dW m : dotc W H m i = dotc W W m l by apply: eq_bigr => a _; rewrite aligned_features yi.
rewrite !dW uW mulr1 /c => e; apply: (mulfI (lt0r_neq0 T0)); rewrite e; field.
by rewrite gt_eqF // K1.
Qed.
End Equality.
End Collapse.

(* ---- the minimum is attained, by simplex frames ---- *)
Section Attained.
Variables (R : realType) (d K N : nat) (y : 'I_N -> 'I_K) (T : R) (om : 'I_N -> R) (W : 'M[R]_(d,K)).
Hypothesis K2 : (1 < K)%N.

(* the Gram matrix of a simplex frame *)
Definition simplex := forall k l, dotc W W k l = K%:R / (K%:R - 1) * ((k == l)%:R - (K%:R)^-1).

Lemma simplex_unit : simplex -> unitc W.
Proof.
move=> gram k; rewrite gram eqxx mulr1n.
have K1 := K1 R K2; have K0 := K0 R K2.
by field; rewrite !gt_eqF.
Qed.

Lemma collapse_simplex (H : 'M[R]_(d,N)) : unitc W -> neural_collapse y W H -> simplex.
Proof.
move=> uW [_ off] k l; have K1 := K1 R K2; have K0 := K0 R K2.
case: (eqVneq k l) => [->|kl]; first by rewrite uW mulr1n; field; rewrite !gt_eqF.
by rewrite off // mulr0n; field; rewrite !gt_eqF.
Qed.

Hypothesis bal : balanced y om.

Lemma attained (H : 'M[R]_(d,N)) : simplex -> (forall i a, H a i = W a (y i)) ->
  cost y (fun=> T) (fun _ _ => 0) om W H = @balanced_minimum R K T.
Proof.
move=> gram HW; have K1 := K1 R K2; have K0 := K0 R K2.
have HWk k i : dotc W H k i = dotc W W k (y i) by apply: eq_bigr => a _; rewrite HW.
rewrite -[RHS]mul1r -(sum_om K2 bal) mulr_suml; apply: eq_bigr => i _; congr (_ * _).
rewrite (fminE T K2 (y i)).
have e k : logit (fun=> T) (fun _ _ => 0) W H k i = T * K%:R / (K%:R - 1) * (k == y i)%:R - T / (K%:R - 1).
  rewrite /logit HWk gram addr0; field; by rewrite !gt_eqF.
rewrite /sumexp; under eq_bigr do rewrite e expRD.
rewrite -mulr_suml lnM ?qualifE ?expR_gt0 //; last first.
  by apply: (sum_gt0 (y i)) => k; apply: expR_gt0.
rewrite expK e; set A := ln _; clearbody A; rewrite /= eqxx mulr1n; ring.
Qed.
End Attained.

(* a simplex ETF exists in dimension d >= K *)
Section ETF.
Variables (R : realType) (d K : nat).
Hypotheses (K2 : (1 < K)%N) (dK : (K <= d)%N).
Let s : R := Num.sqrt (K%:R / (K%:R - 1)).
Definition etf : 'M[R]_(d,K) :=
  \matrix_(a,k) (if (a < K)%N then s * ((a == k :> nat)%:R - (K%:R)^-1) else 0).
Let W := etf.

Lemma etf_simplex : simplex W.
Proof.
move=> k l.
have K1 := K1 R K2; have K0 := K0 R K2.
have KN : K%:R != 0 :> R by rewrite gt_eqF.
have s2 : s ^+ 2 = K%:R / (K%:R - 1) by rewrite sqr_sqrtr // divr_ge0 // ltW.
have -> : dotc W W k l = \sum_(b < K) s ^+ 2 * (((b == k)%:R - (K%:R)^-1) * ((b == l)%:R - (K%:R)^-1)).
  rewrite /dotc (big_ord_widen d (fun b =>
    s ^+ 2 * (((b == k :> nat)%:R - (K%:R)^-1) * ((b == l :> nat)%:R - (K%:R)^-1)))) //.
  rewrite [RHS]big_mkcond /=; apply: eq_bigr => a _; rewrite !mxE.
  by case: ifP => _; [ring|rewrite mul0r].
rewrite -mulr_sumr s2; congr (_ * _).
have -> : \sum_(b < K) (((b == k)%:R - (K%:R)^-1) * ((b == l)%:R - (K%:R)^-1)) =
  \sum_(b < K) (delta R l b * delta R k b - (K%:R)^-1 * delta R k b - (K%:R)^-1 * delta R l b + (K%:R)^-1 ^+ 2).
  apply: eq_bigr => b _; rewrite /delta; ring.
rewrite big_split /= !sumrB !sum_delta sumr_const card_ord -mulr_natl /delta.
field; exact: KN.
Qed.

End ETF.


(* ... and in dimension d = K - 1 *)
Section ETF1.
Variables (R : realType) (d : nat).
Hypothesis d0 : (0 < d)%N.
Let D : R := d%:R.
Let r : R := Num.sqrt D^-1.
Let al : R := Num.sqrt (1 + D^-1).
Let be : R := (r - al) / D.
Definition etf1 : 'M[R]_(d,d.+1) :=
  \matrix_(a,k) (if (k < d)%N then al * (a == k :> nat)%:R + be else - r).

Let D0 : 0 < D. Proof. by rewrite ltr0n. Qed.
Let DN : D != 0. Proof. by rewrite gt_eqF. Qed.
Let r2 : r ^+ 2 = D^-1. Proof. by rewrite sqr_sqrtr // invr_ge0 ltW. Qed.
Let al2 : al ^+ 2 = 1 + D^-1. Proof. by rewrite sqr_sqrtr // addr_ge0 // invr_ge0 ltW. Qed.

Lemma etf1_const (x : R) : \sum_(a < d) x = D * x.
Proof. by rewrite sumr_const card_ord mulr_natl. Qed.

Lemma etf1_delta (k : 'I_d.+1) : (k < d)%N -> \sum_(a < d) (a == k :> nat)%:R = 1 :> R.
Proof.
move=> kd; rewrite (bigD1 (Ordinal kd)) //= eqxx big1 ?addr0 // => a /negPf ne.
by rewrite -[_ == _]/(a == Ordinal kd) ne.
Qed.

(* two of the first d columns *)
Lemma etf1_upper (k l : 'I_d.+1) : (k < d)%N -> (l < d)%N ->
  \sum_(a < d) (al * (a == k :> nat)%:R + be) * (al * (a == l :> nat)%:R + be) = (1 + D^-1) * (k == l)%:R - D^-1.
Proof.
move=> kd ld.
have -> : \sum_(a < d) (al * (a == k :> nat)%:R + be) * (al * (a == l :> nat)%:R + be) =
  al ^+ 2 * (\sum_(a < d) (a == k :> nat)%:R * (a == l :> nat)%:R)
  + al * be * (\sum_(a < d) (a == k :> nat)%:R) + al * be * (\sum_(a < d) (a == l :> nat)%:R)
  + \sum_(a < d) be ^+ 2.
  clearbody al be; rewrite !mulr_sumr -!big_split /=; apply: eq_bigr => a _; ring.
have -> : \sum_(a < d) (a == k :> nat)%:R * (a == l :> nat)%:R = (k == l)%:R :> R.
  rewrite (bigD1 (Ordinal kd)) //= eqxx mul1r big1 ?addr0 // => a /negPf ne.
  by rewrite -[_ == k :> nat]/(a == Ordinal kd) ne mul0r.
rewrite !etf1_delta // etf1_const.
have bb : 2 * al * be + D * be ^+ 2 = - D^-1.
  have -> : 2 * al * be + D * be ^+ 2 = (r ^+ 2 - al ^+ 2) / D by rewrite /be; clearbody al r; field.
  by rewrite r2 al2; field.
by rewrite al2 -bb; ring.
Qed.

(* one of them and the last *)
Lemma etf1_last (k : 'I_d.+1) : (k < d)%N -> \sum_(a < d) (al * (a == k :> nat)%:R + be) * - r = - D^-1.
Proof.
move=> kd; rewrite -mulr_suml big_split /= -mulr_sumr etf1_delta // etf1_const mulr1.
have -> : al + D * be = r by rewrite /be; clearbody al r; field.
by rewrite mulrN -expr2 r2.
Qed.

Lemma etf1_simplex : simplex etf1.
Proof.
have d1 : d.+1%:R = D + 1 :> R by rewrite -addn1 natrD.
have D1 : D + 1 != 0 by rewrite -d1 pnatr_eq0.
have top (k : 'I_d.+1) : (k < d)%N = false -> val k = d.
  by move=> h; apply/eqP; rewrite eqn_leq -ltnS ltn_ord /= leqNgt h.
have ne (k l : 'I_d.+1) : (k < d)%N -> (l < d)%N = false -> (k == l) = false.
  by move=> kd ld; apply/eqP => e; rewrite -e kd in ld.
move=> k l.
have -> : d.+1%:R / (d.+1%:R - 1) * ((k == l)%:R - (d.+1%:R)^-1) = (1 + D^-1) * (k == l)%:R - D^-1.
  rewrite d1 addrK; field; by rewrite ?DN ?D1.
rewrite /dotc; case: (boolP (k < d)%N) => [kd|/negbTE kd]; case: (boolP (l < d)%N) => [ld|/negbTE ld].
- by under eq_bigr do rewrite !mxE kd ld; apply: etf1_upper.
- by under eq_bigr do rewrite !mxE kd ld; rewrite (ne k l) // mulr0 sub0r etf1_last.
- by under eq_bigr do rewrite !mxE kd ld mulrC; rewrite eq_sym (ne l k) // mulr0 sub0r etf1_last.
- under eq_bigr do rewrite !mxE kd ld.
  have -> : k = l by apply/val_inj; rewrite /= (top _ kd) (top _ ld).
  by rewrite etf1_const mulrNN -expr2 r2 eqxx mulr1n; field; rewrite DN.
Qed.
End ETF1.

(* simplex frames need d >= K - 1: only multiples of (1, ..., 1) combine the columns to zero *)
Lemma simplex_needs (R : realType) (d K : nat) (E : 'M[R]_(d,K)) : (1 < K)%N -> simplex E -> (K <= d.+1)%N.
Proof.
move=> K2 sE; have K1 := K1 R K2; have K0 := K0 R K2; have KN : K%:R != 0 :> R by rewrite gt_eqF.
have ker : (kermx E^T <= (const_mx 1 : 'rV[R]_K))%MS.
  apply/rV_subP => v /sub_kermxP vE; apply/sub_rVP; exists ((K%:R)^-1 * \sum_k v 0 k); apply/rowP => l.
  have z : \sum_k v 0 k * dotc E E k l = 0.
    transitivity (\sum_a (v *m E^T) 0 a * E a l); last by apply: big1 => a _; rewrite vE mxE mul0r.
    under [RHS]eq_bigr do rewrite mxE mulr_suml.
    rewrite [RHS]exchange_big; apply: eq_bigr => k _; rewrite /dotc mulr_sumr.
    by apply: eq_bigr => a _; rewrite mxE mulrA.
  have e : K%:R / (K%:R - 1) * (v 0 l - (K%:R)^-1 * \sum_k v 0 k) = 0.
    rewrite -[RHS]z -(sum_delta l (fun k => v 0 k)) mulr_sumr -sumrB mulr_sumr.
    by apply: eq_bigr => k _; rewrite sE /delta [RHS]mulrCA; congr (_ * _); rewrite mulrBr [_^-1 * _]mulrC.
  by move/eqP: e; rewrite mulf_eq0 gt_eqF ?divr_gt0 //= subr_eq0 => /eqP ->; rewrite !mxE mulr1.
have := leq_trans (mxrankS ker) (rank_leq_row _); rewrite mxrank_ker mxrank_tr leq_subLR => /leq_trans; apply.
by rewrite addn1 ltnS rank_leq_row.
Qed.

(* ... and exist there *)
Lemma simplex_exists (R : realType) (d K : nat) : (1 < K)%N -> (K <= d.+1)%N -> exists E : 'M[R]_(d,K), simplex E.
Proof.
move=> K2; rewrite leq_eqVlt ltnS => /orP[/eqP Kd|dK]; last by exists (etf R d K); apply: etf_simplex.
by move: K2; rewrite Kd ltnS => d0; exists (etf1 R d); apply: etf1_simplex.
Qed.

Lemma global_min_collapsed (R : realType) (d K N : nat) (y : 'I_N -> 'I_K) (T : R) (om : 'I_N -> R)
  (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)) : (1 < K)%N -> (K <= d.+1)%N -> 0 < T -> (forall i, 0 < om i) -> balanced y om ->
  unitc W -> unitc H -> global_min (cost y (fun=> T) (fun _ _ => 0) om) W H ->
  neural_collapse y W H /\ cost y (fun=> T) (fun _ _ => 0) om W H = @balanced_minimum R K T.
Proof.
move=> K2 dK T0 om0 bal uW uH gm.
have [E sE] := @simplex_exists R d K K2 dK; have uE := simplex_unit K2 sE.
have le : cost y (fun=> T) (fun _ _ => 0) om W H <= @balanced_minimum R K T.
  rewrite -(attained T K2 bal (H := \matrix_(a,i) E a (y i)) sE) => [|i a]; last by rewrite mxE.
  by apply: gm => // i; rewrite -[RHS](uE (y i)); apply: eq_bigr => a _; rewrite !mxE.
split; first exact: (fmin_eq K2 T0 om0 bal uW uH le).
by apply/eqP; rewrite eq_le le /=; apply: fmin_le.
Qed.
