(* Cross-entropy with any targets q (one-hot labels, label smoothing, soft labels) fits Landscape.v: its gradient,
   second derivative, convexity and blindness to shifts. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.classical Require Import boolp classical_sets functions.
From mathcomp.analysis Require Import reals signed topology normedtype sequences derive realfun exp.
From mathcomp Require Import ring.
From Sphere Require Import Definitions Algebra Calculus Landscape.
Set Implicit Arguments. Unset Strict Implicit. Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Import numFieldTopology.Exports numFieldNormedType.Exports.
Local Open Scope ring_scope.

(* ---- log-sum-exp ---- *)
Section Gibbs.
Variable R : realType.

Lemma expR_ge1 (x : R) : 1 + x <= expR x.
Proof.
case: (lerP 0 x) => [|x0]; first exact: expR_ge1Dx.
have cont : {within `[x, 0]%classic, continuous (@expR R)}.
  by apply: continuous_subspaceT; apply: continuous_expR.
have [c] := @MVT R (@expR R) (@expR R) x 0 x0 (fun z _ => is_derive_expR z) cont.
rewrite in_itv /= => /andP[_ c0]; rewrite expR0 sub0r => e.
have -> : expR x = 1 - expR c * - x by rewrite -e; ring.
rewrite ler_add2l ler_oppr -{2}[- x]mul1r ler_pmul2r ?oppr_gt0 //.
by rewrite ltW // expR_lt1.
Qed.


(* convexity of log-sum-exp: the tangent (Gibbs) inequality *)
Lemma gibbs (n : nat) (k0 : 'I_n) (z z' : 'I_n -> R) :
  \sum_k (expR (z k) / (\sum_j expR (z j))) * (z' k - z k)
   <= ln (\sum_k expR (z' k)) - ln (\sum_k expR (z k)).
Proof.
set S := \sum_j expR (z j); set S' := \sum_k expR (z' k).
have S0 : 0 < S by apply: (sum_gt0 k0) => k; apply: expR_gt0.
have S'0 : 0 < S' by apply: (sum_gt0 k0) => k; apply: expR_gt0.
set L := _ - _.
have eL : expR L = S' / S by rewrite /L expRB !lnK ?qualifE.
have h k : expR (z k) / S * (1 + (z' k - z k - L)) <= expR (z' k) / S'.
  have -> : expR (z' k) / S' = expR (z k) / S * expR (z' k - z k - L).
    rewrite expRB eL expRB; field.
    by rewrite !gt_eqF // expR_gt0.
  rewrite ler_pmul2l ?expR_ge1 //.
  by rewrite divr_gt0 ?expR_gt0.
have : \sum_k expR (z k) / S * (1 + (z' k - z k - L)) <= \sum_k expR (z' k) / S'.
  by apply: ler_sum => k _; apply: h.
rewrite -[X in _ <= X -> _]mulr_suml -/S' divff ?gt_eqF //.
have -> : \sum_i expR (z i) / S * (1 + (z' i - z i - L)) =
   (\sum_i expR (z i) / S) * (1 - L) + \sum_i expR (z i) / S * (z' i - z i).
  rewrite mulr_suml -big_split /=; apply: eq_bigr => k _; ring.
rewrite -mulr_suml -/S divff ?gt_eqF // => hh.
by move: hh; rewrite mul1r -addrA ger_addl addrC subr_le0.
Qed.

End Gibbs.

(* derivatives of log-sum-exp and softmax along z_k(t) *)
Section Softmax.
Variable R : realType.
Local Notation D t f l := (is_derive (t : R) (1 : R) (f : R -> R) (l : R)).
Variables (K : nat) (k0 : 'I_K) (z : 'I_K -> R -> R) (z1 : 'I_K -> R) (t : R).
Hypothesis dz : forall k, D t (z k) (z1 k).
Let S x := \sum_k expR (z k x).
Let p k x := expR (z k x) / S x.

Lemma S_gt0 x : 0 < S x.
Proof. by apply: (sum_gt0 k0) => k; apply: expR_gt0. Qed.

Lemma D_S : D t S (\sum_k expR (z k t) * z1 k).
Proof. by apply: D_sum => k; apply: D_exp. Qed.

Lemma D_lse : D t (fun x => ln (S x)) (\sum_k p k t * z1 k).
Proof.
apply: D_eq (D_ln (S_gt0 t) D_S) _.
by rewrite mulr_suml; apply: eq_bigr => k _; rewrite /p mulrAC.
Qed.

Lemma D_p k : D t (p k) (p k t * (z1 k - \sum_j p j t * z1 j)).
Proof.
have S0 : S t != 0 by rewrite gt_eqF // S_gt0.
apply: D_eq (D_mul (D_exp (dz k)) (D_inv S0 D_S)) _.
have -> : \sum_j p j t * z1 j = (\sum_j expR (z j t) * z1 j) / S t.
  by rewrite mulr_suml; apply: eq_bigr => j _; rewrite /p mulrAC.
rewrite /p; move: (\sum_j expR (z j t) * z1 j) => Y; field; exact: S0.
Qed.
End Softmax.

(* ---- cross-entropy with targets q ---- *)
Section GibbsTargets.
Variables (R : realType) (K : nat) (q z z' : 'I_K -> R).
(* log-sum-exp minus a linear part lies above its tangents *)
Lemma gibbs_targets (k0 : 'I_K) : \sum_k expR (z k) / (\sum_j expR (z j)) * (z' k - z k) - \sum_k q k * (z' k - z k)
  <= ln (\sum_k expR (z' k)) - \sum_k q k * z' k - (ln (\sum_k expR (z k)) - \sum_k q k * z k).
Proof.
have -> : \sum_k q k * (z' k - z k) = \sum_k q k * z' k - \sum_k q k * z k.
  by rewrite -sumrB; apply: eq_bigr => k _; rewrite mulrBr.
have := gibbs k0 z z'; move: (\sum_k _ / _ * _) (\sum_k q k * z' k) (\sum_k q k * z k) (ln _) (ln _) => A Q' Q B' B.
rewrite -subr_ge0 => h; rewrite -subr_ge0; apply: le_trans h _.
by rewrite le_eqVlt; apply/orP; left; apply/eqP; ring.
Qed.
End GibbsTargets.

Section Soft.
Variables (R : realType) (d K N : nat) (q : 'I_K -> 'I_N -> R).
Variables (tau : 'I_N -> R) (off : 'I_K -> 'I_N -> R) (om : 'I_N -> R).
Implicit Types (z : 'I_K -> R).

(* logits and probabilities of sample i as functions of its inner products z *)
Definition lg i z k := tau i * z k + off k i.
Definition prob i z k := expR (lg i z k) / \sum_j expR (lg i z j).
(* om_i (log-sum-exp - sum_k q_ki logit_k), its gradient tau om (p - q), its second derivative *)
Definition soft_loss i z := om i * (ln (\sum_k expR (lg i z k)) - \sum_k q k i * lg i z k).
Definition soft_grad i z k := tau i * om i * (prob i z k - q k i).
Definition soft_hess i z k j := tau i ^+ 2 * om i * (prob i z k * (delta R k j - prob i z j)).

Section Label.
Variable (k0 : 'I_K).
Lemma sumexp_gt0 i z : 0 < \sum_k expR (lg i z k).
Proof. by apply: (sum_gt0 k0) => k; apply: expR_gt0. Qed.

Lemma prob_gt0 i z k : 0 < prob i z k.
Proof. by rewrite divr_gt0 ?expR_gt0 ?sumexp_gt0. Qed.

Lemma prob_sum1 i z : \sum_k prob i z k = 1.
Proof. by rewrite -mulr_suml divff // gt_eqF // sumexp_gt0. Qed.
End Label.

Hypothesis (y : 'I_N -> 'I_K). (* every sample has a label, so K > 0 *)

Lemma D_lg i k (c : R -> 'I_K -> R) (c1 : 'I_K -> R) (t : R) : is_derive t (1 : R) (fun x => c x k) (c1 k) ->
  is_derive t (1 : R) (fun x => lg i (c x) k) (tau i * c1 k).
Proof. by move=> h; apply: D_eq (D_add (D_scale (tau i) h) (D_const t (off k i))) _; rewrite addr0. Qed.

Lemma soft_chain1 : chain1 soft_loss soft_grad.
Proof.
move=> i c c1 t dc.
have dz k : is_derive t (1 : R) (fun x => lg i (c x) k) (tau i * c1 k) by apply: D_lg.
have h := D_scale (om i) (D_sub (D_lse (y i) dz) (D_sum (fun k => D_scale (q k i) (dz k)))).
apply: D_eq h _; rewrite -sumrB mulr_sumr; apply: eq_bigr => k _.
by rewrite /soft_grad /prob; ring.
Qed.

Lemma soft_chain2 : chain2 soft_grad soft_hess.
Proof.
move=> i k c c1 t dc.
have dz j : is_derive t (1 : R) (fun x => lg i (c x) j) (tau i * c1 j) by apply: D_lg.
have h := D_scale (tau i * om i) (D_sub (D_p (y i) dz k) (D_const t (q k i))).
apply: D_eq h _; rewrite subr0 -/(prob i (c t) k).
have -> : tau i * c1 k = \sum_j tau i * c1 j * delta R k j by rewrite sum_delta.
rewrite -sumrB !mulr_sumr; apply: eq_bigr => j _; rewrite /soft_hess -/(prob i (c t) j); ring.
Qed.

Hypotheses (om0 : forall i, 0 < om i).

Lemma soft_convex : convex soft_loss soft_grad.
Proof.
move=> i z z'.
have -> : \sum_k soft_grad i z k * (z' k - z k) =
    om i * (\sum_k prob i z k * (lg i z' k - lg i z k) - \sum_k q k i * (lg i z' k - lg i z k)).
  rewrite -sumrB mulr_sumr; apply: eq_bigr => k _; rewrite /soft_grad /lg; ring.
by rewrite /soft_loss -mulrBr ler_pmul2l //; apply: (gibbs_targets (fun k => q k i) (lg i z) (lg i z') (y i)).
Qed.

Hypothesis q1 : forall i, \sum_k q k i = 1.

Lemma soft_shift : shift_inv soft_grad soft_hess.
Proof.
split=> i z => [|k|j].
- by rewrite -mulr_sumr sumrB (prob_sum1 (y i)) q1 subrr mulr0.
- rewrite -mulr_sumr -mulr_sumr sumrB (prob_sum1 (y i)).
  have -> : \sum_j delta R k j = 1 by rewrite -(sum_delta k (fun=> 1)); apply: eq_bigr => j _; rewrite mul1r.
  by rewrite subrr !mulr0.
- rewrite -mulr_sumr; under eq_bigr do rewrite mulrBr.
  rewrite sumrB -mulr_suml (prob_sum1 (y i)) mul1r.
  have -> : \sum_k prob i z k * delta R k j = prob i z j.
    by rewrite -(sum_delta j (prob i z)); apply: eq_bigr => k _; rewrite /delta eq_sym.
  by rewrite subrr mulr0.
Qed.

(* the curvature is a variance under the probabilities *)
Lemma soft_variance i z x : \sum_k \sum_j soft_hess i z k j * (x k * x j) =
  tau i ^+ 2 * om i * (\sum_k prob i z k * x k ^+ 2 - (\sum_k prob i z k * x k) ^+ 2).
Proof.
rewrite [(\sum_k _) ^+ 2]expr2 mulr_suml -sumrB mulr_sumr; apply: eq_bigr => k _.
have -> : x k ^+ 2 = x k * \sum_j x j * delta R k j by rewrite sum_delta.
rewrite !mulr_sumr -sumrB mulr_sumr; apply: eq_bigr => j _; rewrite /soft_hess; ring.
Qed.
End Soft.

(* the same with another offset off' on the left: what a change of the bias does *)
Lemma soft_gibbs (R : realType) (K N : nat) (q : 'I_K -> 'I_N -> R) (tau om : 'I_N -> R)
  (tau0 : forall i, 0 < tau i) (y : 'I_N -> 'I_K) (om0 : forall i, 0 < om i) (off off' : 'I_K -> 'I_N -> R) i z z' :
  \sum_k soft_grad q tau off om i z k * (z' k - z k)
    + \sum_k soft_grad q tau off om i z k / tau i * (off' k i - off k i)
  <= soft_loss q tau off' om i z' - soft_loss q tau off om i z.
Proof.
rewrite /soft_loss -mulrBr; pose v := lg tau off i z; pose v' := lg tau off' i z'.
have -> : \sum_k soft_grad q tau off om i z k * (z' k - z k)
    + \sum_k soft_grad q tau off om i z k / tau i * (off' k i - off k i) =
    om i * (\sum_k expR (v k) / (\sum_j expR (v j)) * (v' k - v k) - \sum_k q k i * (v' k - v k)).
  rewrite -sumrB mulr_sumr -big_split /=; apply: eq_bigr => k _.
  rewrite /soft_grad (_ : prob tau off i z k = expR (v k) / (\sum_j expR (v j))) //.
  by move: (expR (v k) / _) => P; rewrite /v /v' /lg; field; rewrite gt_eqF.
by rewrite ler_pmul2l //; apply: (gibbs_targets (fun k => q k i) v v' (y i)).
Qed.

(* with two classes there is one besides the label *)
Lemma other_class (K N : nat) (y : 'I_N -> 'I_K) i : (1 < K)%N -> exists k, k != y i.
Proof.
move=> K1; case: (eqVneq (Ordinal K1) (y i)) => [e|]; last by exists (Ordinal K1).
by exists (Ordinal (ltnW K1)); rewrite -e -(inj_eq val_inj).
Qed.

(* ---- one-hot labels ---- *)
Section Labels.
Variables (R : realType) (d K N : nat) (y : 'I_N -> 'I_K).
Variables (tau : 'I_N -> R) (off : 'I_K -> 'I_N -> R) (om : 'I_N -> R).
Definition onehot k i : R := (k == y i)%:R.
Local Notation loss := (soft_loss onehot tau off om).
Local Notation grad := (soft_grad onehot tau off om).

Lemma cost_total (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)) : cost y tau off om W H = total loss W H.
Proof.
apply: eq_bigr => i _; congr (_ * (_ - _)).
by rewrite -(sum_delta (y i) (fun k => logit tau off W H k i)); apply: eq_bigr => k _; rewrite mulrC.
Qed.

Lemma cost_totalE : @cost R d K N y tau off om = total loss.
Proof. by apply/funext => W; apply/funext => H; apply: cost_total. Qed.

Lemma onehot_sum1 i : \sum_k onehot k i = 1.
Proof. by rewrite -(sum_delta (y i) (fun=> 1)); apply: eq_bigr => k _; rewrite mul1r. Qed.

Hypotheses (tau0 : forall i, 0 < tau i) (om0 : forall i, 0 < om i).

(* the gradient is positive at every other class ... *)
Lemma grad_gt0 i z k : k != y i -> 0 < grad i z k.
Proof.
move=> /negPf h; rewrite /soft_grad /onehot h mulr0n subr0.
by apply: mulr_gt0; [apply: mulr_gt0|apply: (prob_gt0 _ _ (y i))].
Qed.

(* ... so it never vanishes if there are two classes *)
Lemma grad_neq0 i z : (1 < K)%N -> exists2 k, k != y i & 0 < grad i z k.
Proof.
move=> K1; have [k hk] := other_class y i K1; by exists k => //; apply: grad_gt0.
Qed.

(* with one class it is zero *)
Lemma grad_one_class i z k : (K <= 1)%N -> grad i z k = 0.
Proof.
move=> K1; have e (l : 'I_K) : l = y i.
  apply/val_inj => /=; move: (ltn_ord l) (ltn_ord (y i)).
  by move=> /leq_trans/(_ K1); rewrite ltnS leqn0 => /eqP ->; move=> /leq_trans/(_ K1); rewrite ltnS leqn0 => /eqP ->.
have := prob_sum1 tau off (y i) i z.
rewrite (bigD1 (y i)) //= big1 ?addr0 => [|l]; last by rewrite (e l) eqxx.
by rewrite /soft_grad (e k) => ->; rewrite /onehot eqxx subrr mulr0.
Qed.
End Labels.
