(* Equal samples: docs/proofs.md, Lemma 1. Samples with the same feature and the same loss up to their weights are
   merged into one that carries their total weight. The merged point has the same cost, is critical if and only if the
   original is, and the Hessian is that of the merged problem plus one form for each sample, at its deviation from the
   mean of its group. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.classical Require Import boolp classical_sets functions.
From mathcomp.analysis Require Import reals signed topology normedtype sequences derive realfun exp.
From mathcomp Require Import ring.
From Sphere Require Import Definitions Algebra Calculus Landscape.
Set Implicit Arguments. Unset Strict Implicit. Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Import numFieldTopology.Exports numFieldNormedType.Exports.
Local Open Scope ring_scope.

Section Merge.
Variables (R : realType) (d K N M : nat) (gr : 'I_N -> 'I_M) (om : 'I_N -> R).
(* the loss of group j with its derivatives, without weight *)
Variables (L : 'I_M -> ('I_K -> R) -> R) (dL : 'I_M -> ('I_K -> R) -> 'I_K -> R)
  (ddL : 'I_M -> ('I_K -> R) -> 'I_K -> 'I_K -> R).
Hypotheses (om0 : forall i, 0 < om i).
Variables (W : 'M[R]_(d,K)) (H : 'M[R]_(d,M)).

(* total weight of group j *)
Definition weight j := \sum_(i | gr i == j) om i.
(* the original problem, sample by sample, and the merged one *)
Definition l1 i z := om i * L (gr i) z.
Definition g1 i z k := om i * dL (gr i) z k.
Definition Q1 i z k k' := om i * ddL (gr i) z k k'.
Definition l2 j z := weight j * L j z.
Definition g2 j z k := weight j * dL j z k.
Definition Q2 j z k k' := weight j * ddL j z k k'.
(* the original features *)
Let H1 : 'M[R]_(d,N) := \matrix_(a,i) H a (gr i).

Lemma by_group (F : 'I_M -> R) : \sum_i om i * F (gr i) = \sum_j weight j * F j.
Proof.
rewrite (partition_big gr xpredT) //=; apply: eq_bigr => j _; rewrite mulr_suml.
by apply: eq_bigr => i /eqP ->.
Qed.

Lemma merge_scores i : scores W H1 i = scores W H (gr i).
Proof. by apply/funext => k; apply: eq_bigr => a _; rewrite mxE. Qed.

Lemma merge_dotc n (A : 'M[R]_(d,n)) k i : dotc A H1 k i = dotc A H k (gr i).
Proof. by apply: eq_bigr => a _; rewrite mxE. Qed.

Lemma merge_total : total l1 W H1 = total l2 W H.
Proof. by rewrite /total -by_group; apply: eq_bigr => i _; rewrite -/(scores W H1 i) merge_scores. Qed.

(* per unit of weight: gradient and multiplier of group j *)
Let G0 k j := dL j (scores W H j) k.
Let b0 j := \sum_k G0 k j * dotc W H k j.

Lemma merge_G1 k i : Gm g1 W H1 k i = om i * G0 k (gr i). Proof. by rewrite /Gm /g1 merge_scores. Qed.
Lemma merge_G2 k j : Gm g2 W H k j = weight j * G0 k j. Proof. by []. Qed.
Lemma merge_beta1 i : beta g1 W H1 i = om i * b0 (gr i).
Proof. by rewrite mulr_sumr; apply: eq_bigr => k _; rewrite merge_G1 merge_dotc mulrA. Qed.
Lemma merge_beta2 j : beta g2 W H j = weight j * b0 j.
Proof. by rewrite mulr_sumr; apply: eq_bigr => k _; rewrite merge_G2 mulrA. Qed.
Lemma merge_alpha k : alpha g1 W H1 k = alpha g2 W H k.
Proof.
transitivity (\sum_i om i * (G0 k (gr i) * dotc W H k (gr i))).
  by apply: eq_bigr => i _; rewrite merge_G1 merge_dotc mulrA.
by rewrite (by_group (fun j => G0 k j * dotc W H k j)); apply: eq_bigr => j _; rewrite merge_G2 mulrA.
Qed.

Hypothesis occupied : forall j, exists i, gr i = j.

Lemma weight_gt0 j : 0 < weight j.
Proof.
have [i e] := occupied j; rewrite /weight (bigD1 i) ?e //=; apply: ltr_paddr => //.
by apply: sumr_ge0 => i' _; apply: ltW.
Qed.

Lemma merge_critical : critical g1 W H1 <-> critical g2 W H.
Proof.
have rows a k : \sum_i H1 a i * Gm g1 W H1 k i = \sum_j H a j * Gm g2 W H k j.
  transitivity (\sum_i om i * (H a (gr i) * G0 k (gr i))).
    by apply: eq_bigr => i _; rewrite merge_G1 mxE mulrCA.
  by rewrite (by_group (fun j => H a j * G0 k j)); apply: eq_bigr => j _; rewrite merge_G2 mulrCA.
have c1 a i : \sum_k W a k * Gm g1 W H1 k i = om i * \sum_k W a k * G0 k (gr i).
  by rewrite mulr_sumr; apply: eq_bigr => k _; rewrite merge_G1 mulrCA.
have c2 a j : \sum_k W a k * Gm g2 W H k j = weight j * \sum_k W a k * G0 k j.
  by rewrite mulr_sumr; apply: eq_bigr => k _; rewrite merge_G2 mulrCA.
split=> -[r1 r2]; split=> a j; rewrite -?rows ?r1 -?merge_alpha ?rows ?r1 ?merge_alpha //.
  have [i <-] := occupied j; have := r2 a i; rewrite c1 c2 merge_beta1 merge_beta2 mxE.
  rewrite mulrCA => /(mulfI (lt0r_neq0 (om0 i))) ->; ring.
have := r2 a (gr j); rewrite c1 c2 merge_beta1 merge_beta2 mxE mulrCA.
by move/(mulfI (lt0r_neq0 (weight_gt0 (gr j)))) => ->; ring.
Qed.

(* ---- the Hessian: v_i = mean over the group + rest ---- *)
Section Hessian.
Variables (U : 'M[R]_(d,K)) (V : 'M[R]_(d,M)) (D : 'M[R]_(d,N)).
(* the weighted rests of a group sum to zero *)
Hypothesis rest0 : forall a j, \sum_(i | gr i == j) om i * D a i = 0.

(* the form of one sample of group j that moves along v alone, per unit of weight *)
Definition turn_form j (v : 'I_d -> R) :=
  \sum_k \sum_k' ddL j (scores W H j) k k' * (bdot v W k * bdot v W k') - b0 j * sqn v.

Let V1 : 'M[R]_(d,N) := \matrix_(a,i) (V a (gr i) + D a i).

(* anything linear in the rests vanishes, summed over a group with coefficients that the group shares *)
Lemma rest_dotc n (A : 'M[R]_(d,n)) (F : 'I_M -> 'I_n) : \sum_i om i * dotc A D (F (gr i)) i = 0.
Proof.
rewrite (partition_big gr xpredT) //= big1 // => j _.
transitivity (\sum_a A a (F j) * (\sum_(i | gr i == j) om i * D a i)).
  transitivity (\sum_(i | gr i == j) \sum_a A a (F j) * (om i * D a i)).
    by apply: eq_bigr => i /eqP ->; rewrite mulr_sumr; apply: eq_bigr => a _; ring.
  by rewrite exchange_big /=; apply: eq_bigr => a _; rewrite mulr_sumr.
by apply: big1 => a _; rewrite rest0 mulr0.
Qed.

Lemma rest_linear n (A : 'M[R]_(d,n)) (c : 'I_M -> R) (F : 'I_M -> 'I_n) :
  \sum_i om i * (c (gr i) * dotc A D (F (gr i)) i) = 0.
Proof.
pose B : 'M[R]_(d,M) := \matrix_(a,j) (c j * A a (F j)).
rewrite -[RHS](rest_dotc B id); apply: eq_bigr => i _; congr (_ * _).
by rewrite /dotc mulr_sumr; apply: eq_bigr => a _; rewrite mxE mulrA.
Qed.

Lemma split_dotc n (A : 'M[R]_(d,n)) k i : dotc A V1 k i = dotc A V k (gr i) + dotc A D k i.
Proof. by rewrite /dotc -big_split; apply: eq_bigr => a _; rewrite mxE mulrDr. Qed.

Lemma merge_curv : \sum_i curv Q1 W H1 (Dm W H1 U V1) i = \sum_j curv Q2 W H (Dm W H U V) j
  + \sum_i om i * (\sum_k \sum_k' ddL (gr i) (scores W H (gr i)) k k' * (dotc W D k i * dotc W D k' i)).
Proof.
pose q k k' j := ddL j (scores W H j) k k'; pose E k j := Dm W H U V k j.
have -> : \sum_i curv Q1 W H1 (Dm W H1 U V1) i =
  \sum_i (om i * (\sum_k \sum_k' q k k' (gr i) * (E k (gr i) * E k' (gr i)))
    + om i * (\sum_k \sum_k' q k k' (gr i) * (dotc W D k i * dotc W D k' i))
    + \sum_k \sum_k' (om i * (q k k' (gr i) * E k (gr i) * dotc W D k' i)
       + om i * (q k k' (gr i) * E k' (gr i) * dotc W D k i))).
  apply: eq_bigr => i _; rewrite /curv /Q1 merge_scores !mulr_sumr -!big_split /=; apply: eq_bigr => k _.
  rewrite !mulr_sumr -!big_split /=; apply: eq_bigr => k' _.
  by rewrite /Dm !merge_dotc !split_dotc -/(q k k' (gr i)) /E /Dm; ring.
rewrite !big_split /= (by_group (fun j => \sum_k \sum_k' q k k' j * (E k j * E k' j))).
rewrite [X in _ + X](_ : _ = 0) ?addr0.
  congr (_ + _); apply: eq_bigr => j _; rewrite /curv mulr_sumr; apply: eq_bigr => k _.
  by rewrite mulr_sumr; apply: eq_bigr => k' _; rewrite /Q2 mulrA.
rewrite exchange_big big1 //= => k _; rewrite exchange_big big1 //= => k' _; rewrite big_split /=.
rewrite (rest_linear W (fun j => q k k' j * E k j) (fun=> k')).
by rewrite (rest_linear W (fun j => q k k' j * E k' j) (fun=> k)) addr0.
Qed.

Lemma merge_hess : hess g1 Q1 W H1 U V1 = hess g2 Q2 W H U V + \sum_i om i * turn_form (gr i) (fun a => D a i).
Proof.
have e1 : \sum_i \sum_k Gm g1 W H1 k i * dotc U V1 k i = \sum_j \sum_k Gm g2 W H k j * dotc U V k j.
  transitivity (\sum_i om i * (\sum_k G0 k (gr i) * dotc U V k (gr i))
    + \sum_k \sum_i om i * (G0 k (gr i) * dotc U D k i)).
    rewrite [X in _ + X]exchange_big -big_split; apply: eq_bigr => i _; rewrite mulr_sumr -big_split.
    by apply: eq_bigr => k _; rewrite merge_G1 split_dotc /=; ring.
  rewrite [X in _ + X]big1 ?addr0 => [|k _]; last exact: (rest_linear U (G0 k) (fun=> k)).
  rewrite (by_group (fun j => \sum_k G0 k j * dotc U V k j)); apply: eq_bigr => j _.
  by rewrite mulr_sumr; apply: eq_bigr => k _; rewrite merge_G2 mulrA.
have e2 : \sum_k alpha g1 W H1 k * dotc U U k k = \sum_k alpha g2 W H k * dotc U U k k.
  by apply: eq_bigr => k _; rewrite merge_alpha.
have e3 : \sum_i beta g1 W H1 i * dotc V1 V1 i i = \sum_j beta g2 W H j * dotc V V j j
    + \sum_i om i * (b0 (gr i) * sqn (fun a => D a i)).
  transitivity (\sum_i om i * (b0 (gr i) * dotc V V (gr i) (gr i)) + \sum_i om i * (b0 (gr i) * sqn (fun a => D a i))
    + 2 * \sum_i om i * (b0 (gr i) * dotc V D (gr i) i)).
    rewrite mulr_sumr -!big_split; apply: eq_bigr => i _; rewrite merge_beta1.
    have -> : dotc V1 V1 i i = dotc V V (gr i) (gr i) + sqn (fun a => D a i) + 2 * dotc V D (gr i) i.
      by rewrite /dotc /sqn mulr_sumr -!big_split; apply: eq_bigr => a _; rewrite !mxE /=; ring.
    by rewrite /=; ring.
  rewrite (rest_linear V b0 id) mulr0 addr0 (by_group (fun j => b0 j * dotc V V j j)); congr (_ + _).
  by apply: eq_bigr => j _; rewrite merge_beta2 mulrA.
have e4 : \sum_i om i * turn_form (gr i) (fun a => D a i) =
   \sum_i om i * (\sum_k \sum_k' ddL (gr i) (scores W H (gr i)) k k' * (dotc W D k i * dotc W D k' i))
   - \sum_i om i * (b0 (gr i) * sqn (fun a => D a i)).
  have bd k i : bdot (fun a => D a i) W k = dotc W D k i by apply: eq_bigr => a _; rewrite mulrC.
  rewrite -sumrB; apply: eq_bigr => i _; rewrite -mulrBr /turn_form; congr (_ * (_ - _)).
  by apply: eq_bigr => k _; apply: eq_bigr => k' _; rewrite !bd.
have regroup (C C1 P A B B1 : R) : C + C1 + P - A - (B + B1) = C + P - A - B + (C1 - B1) by ring.
by rewrite /hess merge_curv e1 e2 e3 e4 regroup.
Qed.
End Hessian.

(* the weighted mean of the columns of each group *)
Definition group_mean (V : 'M[R]_(d,N)) : 'M[R]_(d,M) :=
  \matrix_(a,j) ((weight j)^-1 * \sum_(i | gr i == j) om i * V a i).

Lemma mean_hess (U : 'M[R]_(d,K)) (V : 'M[R]_(d,N)) : hess g1 Q1 W H1 U V =
  hess g2 Q2 W H U (group_mean V) + \sum_i om i * turn_form (gr i) (fun a => V a i - group_mean V a (gr i)).
Proof.
pose D : 'M[R]_(d,N) := \matrix_(a,i) (V a i - group_mean V a (gr i)).
have D0 a j : \sum_(i | gr i == j) om i * D a i = 0.
  transitivity (\sum_(i | gr i == j) (om i * V a i - om i * group_mean V a j)).
    by apply: eq_bigr => i /eqP <-; rewrite mxE mulrBr.
  rewrite sumrB -mulr_suml -/(weight j) [group_mean _ _ _]mxE mulrA divff ?mul1r ?subrr //.
  exact: lt0r_neq0 (weight_gt0 j).
rewrite -[V in LHS](_ : \matrix_(a,i) (group_mean V a (gr i) + D a i) = V); last first.
  by apply/matrixP => a i; rewrite mxE [D _ _]mxE addrC subrK.
rewrite (merge_hess U (group_mean V) D0); congr (_ + _); apply: eq_bigr => i _; congr (_ * turn_form _ _).
by apply/funext => a; rewrite mxE.
Qed.
End Merge.
