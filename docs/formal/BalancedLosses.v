(* Theorem G for label smoothing, one class against the others and squared error: their least values for balanced classes.
   docs/theory.md, "Other losses", the table. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.classical Require Import boolp classical_sets functions.
From mathcomp.analysis Require Import reals signed topology normedtype sequences derive realfun exp.
From mathcomp Require Import ring.
From Sphere Require Import Definitions Algebra Calculus Landscape CrossEntropy Collapse Losses Balanced.
Set Implicit Arguments. Unset Strict Implicit. Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Import numFieldTopology.Exports numFieldNormedType.Exports.
Local Open Scope ring_scope.

Section Balanced.
Variables (R : realType) (d K N : nat) (y : 'I_N -> 'I_K) (T : R) (om : 'I_N -> R).
Hypotheses (K2 : (1 < K)%N) (T0 : 0 < T) (om0 : forall i, 0 < om i) (bal : balanced y om).
Local Notation tau := (fun=> T).
Local Notation off := (fun _ _ => 0).
Let K0 : (0 : R) < K%:R := K0 R K2.
Let K1 : (0 : R) < K%:R - 1 := K1 R K2.
Let KN : K%:R != 0 :> R. Proof. by rewrite gt_eqF. Qed.
Let KN1 : K%:R - 1 != 0 :> R. Proof. by rewrite gt_eqF. Qed.

(* a sum over classes of a function with two values *)
Lemma sum_two (F : R -> R) i b c : \sum_k F (two_values y i b c k) = F b + (K%:R - 1) * F c.
Proof.
rewrite (bigD1 (y i)) //= {1}/two_values eqxx; congr (_ + _).
rewrite (eq_bigr (fun=> F c)) => [|k /negPf ky]; last by rewrite /two_values ky.
by rewrite sum_others sum_const; ring.
Qed.

(* ---- label smoothing ---- *)
Section Smoothed.
Variable eps : R.
Let q := smooth_target y eps (K := K).
(* the target at the label and elsewhere *)
Definition own_target : R := 1 - eps + eps / K%:R.
Definition other_target : R := eps / K%:R.
Definition smoothed_two (b c : R) := ln (expR (T * b) + (K%:R - 1) * expR (T * c))
  - (own_target * (T * b) + (K%:R - 1) * other_target * (T * c)).
Let S (b c : R) := expR (T * b) + (K%:R - 1) * expR (T * c).

Lemma smoothed_alike : alike y om (soft_loss q tau off om) (soft_grad q tau off om) smoothed_two
  (fun b c => T * (expR (T * b) / S b c - own_target)) (fun b c => T * (expR (T * c) / S b c - other_target)).
Proof.
have qE k i : q k i = two_values y i own_target other_target k.
  by rewrite /q /smooth_target /two_values /own_target /other_target; case: eqP => _; [rewrite mulr1n|rewrite mulr0n]; ring.
move=> i b c; have SE : \sum_k expR (lg tau off i (two_values y i b c) k) = S b c.
  by under eq_bigr do rewrite /lg addr0; rewrite (sum_two (fun x => expR (T * x))).
split.
  rewrite /soft_loss SE /smoothed_two; congr (_ * (_ - _)).
  rewrite (bigD1 (y i)) //= qE /lg /two_values eqxx addr0; congr (_ + _).
  rewrite (eq_bigr (fun=> other_target * (T * c))) => [|k /negPf ky]; last by rewrite qE /two_values ky addr0.
  by rewrite sum_others sum_const; ring.
by move=> k; rewrite /soft_grad /prob SE /lg addr0 qE /two_values; case: ifP => _; ring.
Qed.

Hypotheses (eps0 : 0 < eps) (eps1 : eps <= 1).
Local Notation f := (@smoothed R d K N y tau off om eps).
(* the difference of logits at which a sample's gradient vanishes *)
Definition least_margin : R := ln (1 + K%:R * (1 - eps) / eps).
(* the entropy of the target *)
Definition smoothed_entropy : R := - (own_target * ln own_target + (K%:R - 1) * other_target * ln other_target).

Lemma other_target_gt0 : 0 < other_target. Proof. by rewrite divr_gt0. Qed.
Lemma own_target_gt0 : 0 < own_target.
Proof. by rewrite ltr_paddl ?subr_ge0 // divr_gt0. Qed.
Lemma margin_arg : 1 + K%:R * (1 - eps) / eps = own_target / other_target.
Proof. by rewrite /own_target /other_target; field; rewrite KN gt_eqF. Qed.
Lemma least_margin_exp : expR least_margin = own_target / other_target.
Proof. by rewrite /least_margin margin_arg lnK // qualifE divr_gt0 ?own_target_gt0 ?other_target_gt0. Qed.

Lemma smoothed_simplex (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)) : T * K%:R / (K%:R - 1) <= least_margin ->
  unitc W -> unitc H -> smoothed_two 1 (- (K%:R - 1)^-1) <= f W H.
Proof.
move=> small uW uH; rewrite smoothed_totalE.
apply: (simplex_bound K2 om0 bal (soft_convex q tau off y om0) smoothed_alike uW uH).
have eb : T * 1 = T * - (K%:R - 1)^-1 + T * K%:R / (K%:R - 1) by field.
move: eb; set c := - (K%:R - 1)^-1 => eb; have S0 : 0 < S 1 c by rewrite addr_gt0 ?mulr_gt0 ?expR_gt0.
have t1 : own_target + (K%:R - 1) * other_target = 1 by rewrite /own_target /other_target; field.
have r0 : 0 <= expR (T * c) / S 1 c - other_target.
  rewrite subr_ge0 ler_pdivl_mulr //; have := small; rewrite -ler_expR least_margin_exp.
  rewrite ler_pdivl_mulr ?other_target_gt0 // => h.
  rewrite /S eb.
  rewrite expRD; move: (expR (T * c)) (expR_gt0 (T * c)) (expR _) h => e e0 X h.
  have -> : other_target * (e * X + (K%:R - 1) * e) = e * (X * other_target + (K%:R - 1) * other_target) by ring.
  by rewrite -[X in _ <= X]mulr1 ler_pmul2l // -[X in _ <= X]t1 ler_add2r.
have -> : T * (expR (T * 1) / S 1 c - own_target) + (K%:R - 1) * (T * (expR (T * c) / S 1 c - other_target)) = 0.
  transitivity (T * ((expR (T * 1) + (K%:R - 1) * expR (T * c)) / S 1 c - (own_target + (K%:R - 1) * other_target))).
    by ring.
  by rewrite -/(S 1 c) divff ?gt_eqF // t1 subrr mulr0.
rewrite normr0.
have -> : T * (expR (T * c) / S 1 c - other_target) - T * (expR (T * 1) / S 1 c - own_target) =
  T * K%:R * (expR (T * c) / S 1 c - other_target).
  have e : expR (T * 1) / S 1 c - own_target = - (K%:R - 1) * (expR (T * c) / S 1 c - other_target).
    apply/eqP; rewrite -subr_eq0; apply/eqP.
    transitivity ((expR (T * 1) + (K%:R - 1) * expR (T * c)) / S 1 c - (own_target + (K%:R - 1) * other_target)).
      by ring.
    by rewrite -/(S 1 c) divff ?gt_eqF // t1 subrr.
  by rewrite e; ring.
by rewrite mulr_ge0 // mulr_ge0 // ltW.
Qed.

Lemma smoothed_ge_entropy (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)) : smoothed_entropy <= f W H.
Proof.
have t1 : own_target + (K%:R - 1) * other_target = 1 by rewrite /own_target /other_target; field.
rewrite smoothed_totalE -[X in X <= _]mul1r -(sum_om K2 bal) mulr_suml; apply: ler_sum => i _.
rewrite ler_pmul2l //; set z := lg tau off i _.
pose t := two_values y i (ln own_target) (ln other_target).
have eT : \sum_k expR (t k) = 1 by rewrite (sum_two expR) !lnK ?qualifE ?own_target_gt0 ?other_target_gt0.
have qE k : expR (t k) = q k i.
  rewrite /t /two_values /q /smooth_target; case: eqP => _; rewrite lnK ?qualifE ?own_target_gt0 ?other_target_gt0 //.
    by rewrite /own_target mulr1n; ring.
  by rewrite /other_target mulr0n; ring.
have eH : \sum_k q k i * t k = own_target * ln own_target + (K%:R - 1) * other_target * ln other_target.
  under eq_bigr do rewrite -qE; rewrite (sum_two (fun x => expR x * x)) !lnK ?qualifE ?own_target_gt0 ?other_target_gt0 //.
  by ring.
have := gibbs_targets (fun k => q k i) t z (y i); rewrite eT ln1.
under eq_bigr do rewrite divr1 qE.
by rewrite subrr sub0r subr_ge0 eH.
Qed.

(* ... which is attained in dimension K from T K / (K - 1) = least_margin on *)
Lemma smoothed_entropy_attained : least_margin <= T * K%:R / (K%:R - 1) -> (K <= d)%N ->
  exists (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)), [/\ unitc W, unitc H & f W H = smoothed_entropy].
Proof.
move=> large dK; have o0 := own_target_gt0; have c0 := other_target_gt0.
have m0 : 0 <= least_margin.
  by apply: ln_ge0; rewrite ler_addl divr_ge0 ?(ltW eps0) // mulr_ge0 ?(ltW K0) // subr_ge0.
have mE : least_margin = ln own_target - ln other_target by rewrite /least_margin margin_arg ln_div.
pose s := least_margin / T; pose b := (K%:R - 1) * s / K%:R; pose c := - (s / K%:R).
have bc : b + (K%:R - 1) * c = 0 by rewrite /b /c; ring.
have bs : b - c = s by rewrite /b /c; field.
have rg : in_range K b c.
  have s0 : 0 <= s by rewrite divr_ge0 // ltW.
  rewrite /in_range bc bs normr0 add0r ger0_norm // mulrC -ler_pdivl_mulr // /s ler_pdivr_mulr //.
  by rewrite mulrC mulrA.
have [W [H [uW uH e]]] := attained_G K2 bal smoothed_alike dK rg.
exists W, H; split=> //; rewrite smoothed_totalE e /smoothed_two.
have Tb : T * b = T * c + (ln own_target - ln other_target).
  have -> : b = c + s by rewrite /b /c; field.
  by rewrite -mE mulrDr /s [T * (_ / T)]mulrCA divff ?mulr1 // gt_eqF.
have t1 : own_target + (K%:R - 1) * other_target = 1 by rewrite /own_target /other_target; field.
have -> : expR (T * b) + (K%:R - 1) * expR (T * c) = expR (T * c - ln other_target).
  rewrite Tb !expRD expRN !lnK ?qualifE // -[RHS]mulr1 -[X in _ = _ * X]t1.
  by field; rewrite gt_eqF.
rewrite expK Tb /smoothed_entropy; apply/eqP; rewrite -subr_eq0; apply/eqP.
by transitivity ((T * c - ln other_target) * (1 - (own_target + (K%:R - 1) * other_target))); [ring|rewrite t1 subrr mulr0].
Qed.
End Smoothed.

(* ---- one class against the others ---- *)
Definition one_against_all_two (b c : R) := softplus (- (T * b)) + (K%:R - 1) * softplus (T * c).

Lemma one_against_all_alike : alike y om (sep_loss (oaa_phi y tau off om)) (sep_grad (oaa_phi1 y tau off om))
  one_against_all_two (fun b _ => - (T * logistic (- (T * b)))) (fun _ c => T * logistic (T * c)).
Proof.
move=> i b c; split=> [|k]; last first.
  rewrite /sep_grad /oaa_phi1 /sgn /two_values addr0; congr (_ * _).
  by case: ifP => _; rewrite ?mulN1r ?mul1r; ring.
rewrite /sep_loss (bigD1 (y i)) //= /oaa_phi /sgn {1}/two_values eqxx addr0 mulN1r mulrDr; congr (_ + _).
rewrite (eq_bigr (fun=> om i * softplus (T * c))) => [|k /negPf ky]; last by rewrite /two_values ky addr0 mul1r.
by rewrite sum_others sum_const; ring.
Qed.

Lemma one_against_all_simplex (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)) :
  (K%:R - 2) * logistic (- (T / (K%:R - 1))) <= 2 * logistic (- T) ->
  unitc W -> unitc H -> one_against_all_two 1 (- (K%:R - 1)^-1) <= @one_against_all R d K N y tau off om W H.
Proof.
move=> small uW uH; rewrite one_against_all_totalE.
apply: (simplex_bound K2 om0 bal (sep_convex (oaa_convex y tau off om0)) one_against_all_alike uW uH).
rewrite mulr1 mulrN.
move: small (logistic_gt0 (- T)) (logistic_gt0 (- (T / (K%:R - 1)))) => + a0 c0.
move: (logistic _) (logistic _) a0 c0 => c a a0 c0 small.
rewrite ler_norml -subr_ge0 -[X in _ && X]subr_ge0; apply/andP; split.
  have -> : - (T * a) + (K%:R - 1) * (T * c) - - (T * c - - (T * a)) = T * K%:R * c by ring.
  by rewrite !mulr_ge0 // ltW.
have -> : T * c - - (T * a) - (- (T * a) + (K%:R - 1) * (T * c)) = T * (2 * a - (K%:R - 2) * c) by ring.
by rewrite mulr_ge0 ?subr_ge0 // ltW.
Qed.
End Balanced.

(* ---- squared error: any labels, weights and temperatures below the target ---- *)
Section Squared.
Variables (R : realType) (d K N : nat) (y : 'I_N -> 'I_K) (tau om : 'I_N -> R) (kappa M : R).
Hypotheses (tau0 : forall i, 0 < tau i) (om0 : forall i, 0 < om i) (kappa0 : 0 < kappa) (tauM : forall i, tau i <= M).
Local Notation f := (@squared R d K N y tau (fun _ _ => 0) om kappa M).
Definition squared_least : R := \sum_i om i * (kappa * (M - tau i) ^+ 2 / 2).

Lemma squared_ge (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)) : unitc W -> unitc H -> squared_least <= f W H.
Proof.
move=> uW uH; apply: ler_sum => i _; rewrite ler_pmul2l // (bigD1 (y i)) //= eqxx; apply: ler_paddr.
  by apply: sumr_ge0 => k ky; rewrite (negPf ky); apply: divr_ge0; [apply: sqr_ge0|rewrite ler0n].
rewrite ler_pmul2r ?invr_gt0 // ler_pmul2l // /logit addr0 -[X in _ <= X]sqrrN opprB.
have h : tau i * dotc W H (y i) i <= tau i by rewrite -[X in _ <= X]mulr1 ler_pmul2l // dotc_le1.
by rewrite ler_sqr ?nnegrE ?ler_sub // subr_ge0 // (le_trans h).
Qed.

Lemma squared_attained : (K <= d)%N -> exists (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)),
  [/\ unitc W, unitc H & f W H = squared_least].
Proof.
move=> dK; pose W : 'M[R]_(d,K) := \matrix_(a,k) (a == k :> nat)%:R.
have WW k j : dotc W W k j = (k == j)%:R.
  rewrite /dotc (bigD1 (widen_ord dK k)) //= !mxE eqxx mul1r big1 ?addr0 => [//|a /negPf ne].
  by rewrite !mxE -[_ == _ :> nat]/(a == widen_ord dK k) ne mul0r.
pose H : 'M[R]_(d,N) := \matrix_(a,i) W a (y i).
have WH k i : dotc W H k i = (k == y i)%:R by rewrite -WW; apply: eq_bigr => a _; rewrite !mxE.
exists W, H; split=> [k|i|]; first by rewrite WW eqxx.
  by transitivity (dotc W W (y i) (y i)); [apply: eq_bigr => a _; rewrite !mxE|rewrite WW eqxx].
apply: eq_bigr => i _; congr (_ * _); rewrite (bigD1 (y i)) //= eqxx big1 ?addr0 => [|k /negPf ky].
  by rewrite /logit WH eqxx mulr1n mulr1 addr0 -sqrrN opprB.
by rewrite ky /logit WH ky mulr0n mulr0 addr0 expr0n mul0r.
Qed.
End Squared.
