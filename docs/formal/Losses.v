(* Other losses that satisfy the hypotheses of Theorem C: label smoothing below its threshold, one-against-all
   logistic regression, squared error. docs/theory.md, "Other losses". *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.classical Require Import boolp classical_sets functions.
From mathcomp.analysis Require Import reals signed topology normedtype sequences derive realfun exp.
From mathcomp Require Import ring.
From Sphere Require Import Definitions Algebra Calculus Landscape TheoremC CrossEntropy.
Set Implicit Arguments. Unset Strict Implicit. Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Import numFieldTopology.Exports numFieldNormedType.Exports.
Local Open Scope ring_scope.

(* ---- losses that are sums over classes of convex functions phi i k of one inner product ---- *)
Section Separable.
Variables (R : realType) (K N : nat) (phi phi1 phi2 : 'I_N -> 'I_K -> R -> R).
Hypotheses (d1 : forall i k (t : R), is_derive t (1 : R) (phi i k) (phi1 i k t))
  (d2 : forall i k (t : R), is_derive t (1 : R) (phi1 i k) (phi2 i k t))
  (cx : forall i k s t, phi1 i k s * (t - s) <= phi i k t - phi i k s).
Definition sep_loss i (z : 'I_K -> R) := \sum_k phi i k (z k).
Definition sep_grad i (z : 'I_K -> R) k := phi1 i k (z k).
Definition sep_hess i (z : 'I_K -> R) k j := phi2 i k (z k) * delta R k j.

Lemma sep_chain1 : chain1 sep_loss sep_grad.
Proof. by move=> i c c1 t dc; apply: D_sum => k; apply: D_comp (d1 i k (c t k)) (dc k). Qed.

Lemma sep_chain2 : chain2 sep_grad sep_hess.
Proof.
move=> i k c c1 t dc; apply: D_eq (D_comp (d2 i k (c t k)) (dc k)) _.
transitivity (\sum_j phi2 i k (c t k) * c1 j * delta R k j); first by rewrite sum_delta.
by apply: eq_bigr => j _; rewrite /sep_hess; ring.
Qed.

Lemma sep_convex : convex sep_loss sep_grad.
Proof. by move=> i z z'; rewrite /sep_loss -sumrB; apply: ler_sum => k _; apply: cx. Qed.
End Separable.

(* ---- squared error ---- *)
Section Squared.
Variables (R : realType) (d K N : nat) (y : 'I_N -> 'I_K).
Variables (tau : 'I_N -> R) (off : 'I_K -> 'I_N -> R) (om : 'I_N -> R).
Hypotheses (tau0 : forall i, 0 < tau i) (om0 : forall i, 0 < om i).
Variables (kappa M : R).
Hypothesis kappa0 : 0 < kappa.
(* weight and target of class k *)
Let wt i k : R := if k == y i then kappa else 1.
Let tg i k : R := if k == y i then M else 0.
Definition sq_phi i k (t : R) := om i * (wt i k * (tau i * t + off k i - tg i k) ^+ 2 / 2).
Definition sq_phi1 i k (t : R) := om i * wt i k * (tau i * (tau i * t + off k i - tg i k)).
Definition sq_phi2 i k (t : R) := om i * wt i k * tau i ^+ 2.

Lemma squared_totalE : @squared R d K N y tau off om kappa M = total (sep_loss sq_phi).
Proof.
apply/funext => W; apply/funext => H; apply: eq_bigr => i _; rewrite mulr_sumr; apply: eq_bigr => k _.
by rewrite /sq_phi /wt /tg /logit; case: (k == y i); rewrite ?mul1r ?subr0.
Qed.

Lemma D_logit_sub i k (t : R) : is_derive t (1 : R) (fun t => tau i * t + off k i - tg i k) (tau i).
Proof. by apply: D_eq (D_sub (D_add (D_scale (tau i) (D_id t)) (D_const t _)) (D_const t _)) _; ring. Qed.

Lemma sq_d1 i k (t : R) : is_derive t (1 : R) (sq_phi i k) (sq_phi1 i k t).
Proof.
have l := D_logit_sub i k t; have h := D_scale (om i * wt i k / 2) (D_mul l l); apply: D_eq (D_ext h _) _ => [x|].
  by rewrite /sq_phi /= expr2; field.
by rewrite /sq_phi1 /=; field.
Qed.

Lemma sq_d2 i k (t : R) : is_derive t (1 : R) (sq_phi1 i k) (sq_phi2 i k t).
Proof. by apply: D_eq (D_scale (om i * wt i k) (D_scale (tau i) (D_logit_sub i k t))) _; rewrite /sq_phi2 expr2. Qed.

Lemma wt_gt0 i k : 0 < wt i k. Proof. by rewrite /wt; case: ifP. Qed.

Lemma sq_convex i k s t : sq_phi1 i k s * (t - s) <= sq_phi i k t - sq_phi i k s.
Proof.
rewrite -subr_ge0.
have -> : sq_phi i k t - sq_phi i k s - sq_phi1 i k s * (t - s) = om i * wt i k * (tau i * (t - s)) ^+ 2 / 2.
  by rewrite /sq_phi /sq_phi1; field.
by rewrite divr_ge0 // mulr_ge0 ?sqr_ge0 // ltW // mulr_gt0 ?wt_gt0.
Qed.

(* below tau = M the own logit never reaches its target *)
Lemma sq_grad_neq0 (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)) i : unitc W -> unitc H -> tau i + off (y i) i < M ->
  exists k, sep_grad sq_phi1 i (fun k => dotc W H k i) k != 0.
Proof.
move=> uW uH t1; exists (y i); rewrite /sep_grad /sq_phi1 /tg eqxx.
apply: mulf_neq0; first by rewrite gt_eqF // mulr_gt0 ?wt_gt0.
apply: mulf_neq0; first by rewrite gt_eqF.
rewrite lt_eqF // subr_lt0; apply: le_lt_trans t1; rewrite ler_add2r -[X in _ <= X]mulr1 ler_pmul2l //.
exact: dotc_le1.
Qed.
End Squared.

(* ---- one class against the others ---- *)
Section OneAgainstAll.
Variables (R : realType) (d K N : nat) (y : 'I_N -> 'I_K).
Variables (tau : 'I_N -> R) (off : 'I_K -> 'I_N -> R) (om : 'I_N -> R).
Hypotheses (tau0 : forall i, 0 < tau i) (om0 : forall i, 0 < om i).

(* log(1 + e^t), the logistic function and its derivative *)
Definition softplus (t : R) := ln (1 + expR t).
Definition logistic (t : R) := expR t / (1 + expR t).

Lemma softplus_arg (t : R) : 0 < 1 + expR t.
Proof. by apply: addr_gt0 => //; apply: expR_gt0. Qed.

Lemma D_softplus (t : R) : is_derive t (1 : R) softplus (logistic t).
Proof.
have h := D_add (D_const t 1) (D_exp (D_id t)).
by apply: D_eq (@D_ln R t (fun t => 1 + expR t) _ (softplus_arg t) h) _; rewrite add0r mulr1.
Qed.

Lemma D_logistic (t : R) : is_derive t (1 : R) logistic (logistic t * (1 - logistic t)).
Proof.
have h := D_exp (D_id t); have n0 : 1 + expR t != 0 by rewrite gt_eqF ?softplus_arg.
apply: D_eq (D_mul h (@D_inv R t (fun t => 1 + expR t) _ n0 (D_add (D_const t 1) h))) _.
by rewrite /logistic; field.
Qed.

Lemma logistic_gt0 (t : R) : 0 < logistic t.
Proof. by rewrite divr_gt0 ?expR_gt0 ?softplus_arg. Qed.

Lemma softplus_convex (s t : R) : logistic s * (t - s) <= softplus t - softplus s.
Proof.
pose z (x : R) (j : 'I_2) := if j == 0 then 0 else x.
have e x : \sum_j expR (z x j) = 1 + expR x by rewrite big_ord_recl big_ord1 /z /= expR0.
have := gibbs 0 (z s) (z t); under eq_bigr do rewrite (e s).
by rewrite !e big_ord_recl big_ord1 /z /= subrr mulr0 add0r.
Qed.

(* the sign of the logit of class k: its loss is softplus of sign * logit *)
Definition sgn i k : R := if k == y i then -1 else 1.
Definition oaa_phi i k (t : R) := om i * softplus (sgn i k * (tau i * t + off k i)).
Definition oaa_phi1 i k (t : R) := om i * (logistic (sgn i k * (tau i * t + off k i)) * (sgn i k * tau i)).
Definition oaa_phi2 i k (t : R) := let p := logistic (sgn i k * (tau i * t + off k i)) in
  om i * (p * (1 - p) * (sgn i k * tau i) * (sgn i k * tau i)).

Lemma one_against_all_totalE : @one_against_all R d K N y tau off om = total (sep_loss oaa_phi).
Proof.
apply/funext => W; apply/funext => H; apply: eq_bigr => i _.
rewrite /sep_loss -mulr_sumr; congr (_ * _); rewrite [RHS](bigD1 (y i)) //=; congr (_ + _).
  by rewrite /softplus /sgn eqxx mulN1r.
by apply: eq_bigr => k /negPf ky; rewrite /softplus /sgn ky mul1r.
Qed.

Lemma D_arg_oaa i k (t : R) : is_derive t (1 : R) (fun t => sgn i k * (tau i * t + off k i)) (sgn i k * tau i).
Proof.
by apply: D_eq (D_scale (sgn i k) (D_add (D_scale (tau i) (D_id t)) (D_const t (off k i)))) _; ring.
Qed.

Lemma oaa_d1 i k (t : R) : is_derive t (1 : R) (oaa_phi i k) (oaa_phi1 i k t).
Proof. exact: D_scale (D_comp (D_softplus _) (D_arg_oaa i k t)). Qed.

Lemma oaa_d2 i k (t : R) : is_derive t (1 : R) (oaa_phi1 i k) (oaa_phi2 i k t).
Proof.
have h := D_mul (D_comp (D_logistic _) (D_arg_oaa i k t)) (D_const t (sgn i k * tau i)).
by apply: D_eq (D_scale (om i) h) _; rewrite /oaa_phi2; ring.
Qed.

Lemma oaa_convex i k s t : oaa_phi1 i k s * (t - s) <= oaa_phi i k t - oaa_phi i k s.
Proof.
rewrite /oaa_phi -mulrBr /oaa_phi1 -mulrA ler_pmul2l //.
apply: le_trans (softplus_convex _ _); rewrite le_eqVlt; apply/orP; left; apply/eqP; ring.
Qed.

Lemma oaa_grad_neq0 (z : 'I_K -> R) i : exists k, sep_grad oaa_phi1 i z k != 0.
Proof.
exists (y i); rewrite /sep_grad /oaa_phi1 /sgn eqxx.
apply: mulf_neq0; first by rewrite gt_eqF.
by apply: mulf_neq0; [rewrite gt_eqF ?logistic_gt0|rewrite mulN1r oppr_eq0 gt_eqF].
Qed.
End OneAgainstAll.

(* ---- label smoothing ---- *)
Section Smoothing.
Variables (R : realType) (d K N : nat) (y : 'I_N -> 'I_K) (tau : 'I_N -> R) (off : 'I_K -> 'I_N -> R) (om : 'I_N -> R).
Variable eps : R.
Definition smooth_target (k : 'I_K) (i : 'I_N) : R := (1 - eps) * (k == y i)%:R + eps / K%:R.

Lemma smoothed_totalE : @smoothed R d K N y tau off om eps = total (soft_loss smooth_target tau off om).
Proof.
apply/funext => W; apply/funext => H; apply: eq_bigr => i _; congr (_ * (_ - _)).
rewrite -[X in (1 - eps) * X](sum_delta (y i) (fun k => logit tau off W H k i)).
by rewrite !mulr_sumr -big_split /=; apply: eq_bigr => k _; rewrite /smooth_target /delta /lg /logit; ring.
Qed.

Hypothesis K1 : (1 < K)%N.
Let Kn : K%:R != 0 :> R. Proof. by rewrite pnatr_eq0 -lt0n ltnW. Qed.

Lemma smooth_sum1 i : \sum_k smooth_target k i = 1.
Proof.
have -> : 1 = (1 - eps) * 1 + eps / K%:R * K%:R by field.
rewrite big_split /= -mulr_sumr (onehot_sum1 R y i) sumr_const card_ord; congr (_ + _).
by rewrite -[LHS]mulr_natr.
Qed.

Hypotheses (tau0 : forall i, 0 < tau i) (om0 : forall i, 0 < om i) (eps0 : 0 < eps) (eps1 : eps <= 1).

(* a gradient that vanishes puts the own logit log(1 + K (1 - eps) / eps) above every other *)
Lemma smooth_grad0 i (z : 'I_K -> R) j : j != y i -> (forall k, soft_grad smooth_target tau off om i z k = 0) ->
  lg tau off i z (y i) - lg tau off i z j = ln (1 + K%:R * (1 - eps) / eps).
Proof.
move=> jy g0; have pE k : prob tau off i z k = smooth_target k i.
  have /eqP := g0 k.
  by rewrite mulf_eq0 mulf_eq0 (gt_eqF (tau0 i)) (gt_eqF (om0 i)) /= subr_eq0 => /eqP.
have p0 := prob_gt0 tau off (y i) i z j; have S0 := sumexp_gt0 tau off (y i) i z.
rewrite -[LHS]expK; congr ln; rewrite expRB.
have -> : expR (lg tau off i z (y i)) / expR (lg tau off i z j) = prob tau off i z (y i) / prob tau off i z j.
  rewrite /prob; move: (\sum_j0 _) S0 => S S0; field; by rewrite !gt_eqF // expR_gt0.
rewrite !pE /smooth_target eqxx (negPf jy) mulr1 mulr0 add0r; field.
by rewrite Kn gt_eqF.
Qed.
End Smoothing.

Lemma smooth_grad_neq0 (R : realType) (d K N : nat) (y : 'I_N -> 'I_K) (tau om : 'I_N -> R) (eps : R)
  (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)) i : (1 < K)%N -> (forall i, 0 < tau i) -> (forall i, 0 < om i) ->
  0 < eps -> 2 * tau i < ln (1 + K%:R * (1 - eps) / eps) -> unitc W -> unitc H ->
  exists k, soft_grad (smooth_target y eps) tau (fun _ _ => 0) om i (fun k => dotc W H k i) k != 0.
Proof.
move=> K1 tau0 om0 eps0 ht uW uH; apply: contrapT => ne.
have g0 k : soft_grad (smooth_target y eps) tau (fun _ _ => 0) om i (fun k => dotc W H k i) k = 0.
  by apply/eqP/negPn/negP => h; apply: ne; exists k.
have [j jy] := other_class y i K1.
have := smooth_grad0 K1 tau0 om0 eps0 jy g0; rewrite /lg !addr0 -mulrBr => e.
move: ht; rewrite -e mulrC ltr_pmul2l // ltNge => /negP; apply.
have -> : 2 = 1 - -1 :> R by rewrite opprK.
by apply: ler_sub; [apply: dotc_le1|apply: dotc_geN1].
Qed.
