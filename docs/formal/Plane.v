(* Collapsed classifiers in the plane (d = 2): critical points that are neither global minimisers nor strict saddles.
   Lemma 11 of docs/proofs.md, in general: all classifiers one vector w, all features orthogonal to it, and the class
   sums of the features, weighted by tau_i om_i, equal. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.classical Require Import boolp classical_sets functions.
From mathcomp.analysis Require Import reals signed topology normedtype sequences derive realfun exp.
From mathcomp Require Import ring.
From Sphere Require Import Definitions Algebra Calculus Landscape TheoremC CrossEntropy TheoremS.
Set Implicit Arguments. Unset Strict Implicit. Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Import numFieldTopology.Exports numFieldNormedType.Exports.
Local Open Scope ring_scope.

(* log-sum-exp against the largest entry *)
Lemma lse_lt (R : realType) (K : nat) (z : 'I_K -> R) y k : (forall j, z j <= z y) -> z k < z y ->
  ln (\sum_j expR (z j)) - z y < ln K%:R.
Proof.
move=> le lt; have K0 : 0 < K%:R :> R by rewrite ltr0n; case: (K) y {le lt} => [[]|].
rewrite ltr_subl_addr -[z y in X in _ < X]expK -lnM ?qualifE ?expR_gt0 //.
rewrite ltr_ln ?posrE ?mulr_gt0 ?expR_gt0 //; last by apply: (sum_gt0 y) => j; apply: expR_gt0.
have -> : K%:R * expR (z y) = \sum_(j < K) expR (z y) by rewrite sumr_const card_ord mulr_natl.
rewrite (bigD1 k) //= [X in _ < X](bigD1 k) //=; apply: ltr_le_add; first by rewrite ltr_expR.
by apply: ler_sum => j _; rewrite ler_expR.
Qed.

(* in the plane two orthogonal unit vectors a, b are a basis: <u, v> = <u, a> <v, a> + <u, b> <v, b> *)
Lemma plane_frame (R : realType) (A : 'M[R]_(2,2)) : A^T *m A = 1%:M -> forall u v : 'I_2 -> R,
  \sum_c u c * v c = \sum_j (\sum_c u c * A c j) * (\sum_c v c * A c j).
Proof.
move/mulmx1C => e u v; pose p : 'rV[R]_2 := \row_c u c; pose q : 'cV[R]_2 := \col_c v c.
transitivity ((p *m q) 0 0); first by rewrite mxE; apply: eq_bigr => c _; rewrite !mxE.
rewrite -[p]mulmx1 -e mulmxA -mulmxA mxE; apply: eq_bigr => j _; rewrite !mxE; congr (_ * _).
  by apply: eq_bigr => c _; rewrite !mxE.
by apply: eq_bigr => c _; rewrite !mxE mulrC.
Qed.

Section Plane.
Variables (R : realType) (K N : nat) (y : 'I_N -> 'I_K) (tau om : 'I_N -> R).
Hypotheses (K1 : (1 < K)%N) (tau0 : forall i, 0 < tau i) (om0 : forall i, 0 < om i).
Local Notation off := (fun (_ : 'I_K) (_ : 'I_N) => 0).
Local Notation g := (soft_grad (onehot R y) tau off om).
Local Notation Q := (soft_hess tau off om).
Let h1 := soft_chain1 (onehot R y) tau off om y.
Let h2 := soft_chain2 (onehot R y) tau off om y.

Variables (W : 'M[R]_(2,K)) (H : 'M[R]_(2,N)).
Hypotheses (uW : unitc W) (uH : unitc H) (cl : forall k l a, W a k = W a l).
Local Notation G := (Gm g W H).

(* all logits of a sample agree *)
Lemma plane_prob k i : prob tau off i (scores W H i) k = (K%:R)^-1.
Proof.
have s j : scores W H i j = scores W H i k by apply: eq_bigr => a _; rewrite (cl j k).
have e j : expR (lg tau off i (scores W H i) j) = expR (lg tau off i (scores W H i) k) by rewrite /lg s.
rewrite /prob; under eq_bigr do rewrite e.
rewrite sumr_const card_ord -[X in _ / X]mulr_natl; field.
by rewrite pnatr_eq0 -lt0n ltnW // gt_eqF ?expR_gt0.
Qed.

Lemma plane_beta0 i : beta g W H i = 0.
Proof. by apply: collapsed_beta0 => k a; apply: cl. Qed.

(* if some feature is not orthogonal to w, it turns: a strict saddle *)
Lemma plane_saddle k i : dotc W H k i != 0 -> neg_curv g Q W H.
Proof.
move=> wh; have [v [[a va] vj]] : exists v : 'I_2 -> R, (exists a, v a != 0) /\ forall j, bdot v (col i H) j = 0.
  by apply: exists_orth; apply: leq_ltn_trans (rank_leq_col _) _.
have vH : bdot v H i = 0 by rewrite -(vj 0); apply: eq_bigr => c _; rewrite !mxE.
have vW j : bdot v W j = bdot v W k by apply: eq_bigr => c _; rewrite (cl j k).
have [l _ Gl] := grad_neq0 y off tau0 om0 i (scores W H i) K1.
apply: (turn uW vH vW (or_intror _) (plane_beta0 i) (lt0r_neq0 Gl)).
  exact: (soft_shift tau off om y (onehot_sum1 R y)).
apply/eqP => vc; move: wh; rewrite /dotc; under eq_bigr do rewrite (aligned uW va vW vc).
apply/negP; rewrite negbK; apply/eqP.
transitivity (bdot v H i / bdot v W k); last by rewrite vH mul0r.
by rewrite /bdot mulr_suml; apply: eq_bigr => c _; ring.
Qed.

(* from here on all features are orthogonal to w *)
Hypothesis wh : forall k i, dotc W H k i = 0.

(* class sums *)
Lemma plane_rows k a : \sum_i H a i * G k i =
  (K%:R)^-1 * (\sum_l \sum_(i | y i == l) tau i * om i * H a i) - \sum_(i | y i == k) tau i * om i * H a i.
Proof.
have <- : \sum_i tau i * om i * H a i = \sum_l \sum_(i | y i == l) tau i * om i * H a i.
  by rewrite (partition_big y xpredT).
rewrite [X in _ - X]big_mkcond mulr_sumr -sumrB; apply: eq_bigr => i _.
rewrite /Gm /soft_grad plane_prob /onehot eq_sym; case: (_ == _); rewrite ?mulr1n ?mulr0n; ring.
Qed.

(* critical if and only if the weighted class sums of the features agree *)
Lemma plane_critical : critical g W H <->
  forall k l a, \sum_(i | y i == k) tau i * om i * H a i = \sum_(i | y i == l) tau i * om i * H a i.
Proof.
have al0 k : alpha g W H k = 0 by rewrite /alpha big1 // => i _; rewrite wh mulr0.
have Kn : K%:R != 0 :> R by rewrite pnatr_eq0 -lt0n ltnW.
split=> [[c1 _] k l a|eq].
  have e j : \sum_(i | y i == j) tau i * om i * H a i =
    (K%:R)^-1 * (\sum_l \sum_(i | y i == l) tau i * om i * H a i).
    by have := c1 a j; rewrite plane_rows al0 mulr0 => /eqP; rewrite subr_eq0 => /eqP.
  by rewrite (e k) (e l).
split=> [a k|a i]; last first.
  rewrite plane_beta0 mulr0; under eq_bigr do rewrite (cl _ (y i)).
  by rewrite -mulr_sumr CE_sum0 mulr0.
rewrite al0 mulr0 plane_rows; under eq_bigr do rewrite (eq _ k a).
by rewrite sumr_const card_ord -[X in _ * X - _]mulr_natl mulrA mulVf // mul1r subrr.
Qed.

(* <u_k, v_i> = 0 for all tangents, and no multiplier is left: only the loss curvature remains *)
Lemma plane_hess U V : tangent W U -> tangent H V -> 0 <= hess g Q W H U V.
Proof.
move=> tU tV; have uv k i : dotc U V k i = 0.
  pose A : 'M[R]_(2,2) := \matrix_(a,j) (if j == 0 then W a k else H a i).
  have A1 : A^T *m A = 1%:M.
    apply/matrixP => j j'; rewrite !mxE; under eq_bigr do rewrite !mxE.
    case: (eqVneq j 0) => [e|j0]; case: (eqVneq j' 0) => [e'|j0'].
    - by rewrite e e' eqxx; exact: (uW k).
    - by rewrite e eq_sym (negPf j0'); exact: (wh k i).
    - by rewrite e' (negPf j0) -[RHS](wh k i); apply: eq_bigr => a _; rewrite mulrC.
    - have -> : j = 1 by apply/val_inj; case: j j0 => [[|[|]]].
      have -> : j' = 1 by apply/val_inj; case: j' j0' => [[|[|]]].
      by rewrite eqxx; exact: (uH i).
  rewrite /dotc (plane_frame A1) big_ord_recl big_ord1.
  have -> : \sum_c U c k * A c 0 = 0.
    by rewrite -[RHS](tU k); apply: eq_bigr => c _; rewrite !mxE eqxx mulrC.
  have -> : \sum_c V c i * A c (lift ord0 ord0) = 0.
    by rewrite -[RHS](tV i); apply: eq_bigr => c _; rewrite !mxE mulrC.
  by rewrite mul0r mulr0 addr0.
rewrite /hess [X in 2 * X]big1 ?mulr0 => [|i _]; last by apply: big1 => k _; rewrite uv mulr0.
rewrite [X in _ - X - _]big1 => [|k _]; last by rewrite /alpha big1 ?mul0r // => i _; rewrite wh mulr0.
rewrite [X in _ - X]big1 ?subr0 ?addr0 => [|i _]; last by rewrite plane_beta0 mul0r.
apply: sumr_ge0 => i _; rewrite /curv (soft_variance tau off om i _ (fun k => Dm W H U V k i)).
rewrite mulr_ge0 //; first by rewrite mulr_ge0 ?sqr_ge0 // ltW.
apply: (variance_ge0 (p := prob tau off i (scores W H i))); last exact: (prob_sum1 _ _ (y i)).
by move=> k; apply: ltW; apply: (prob_gt0 _ _ (y i)).
Qed.

(* the point is no global minimiser: a lower one has rank one *)
Lemma plane_not_global : (0 < N)%N -> ~ global_min (cost y tau off om) W H.
Proof.
move=> N0 gm; pose i0 := Ordinal N0; pose y0 := y i0.
pose W' : 'M[R]_(2,K) := \matrix_(a,k) (if k == y0 then W a y0 else - W a y0).
pose H' : 'M[R]_(2,N) := \matrix_(a,i) (W' a (y i)).
have un n (A : 'M[R]_(2,n)) : (forall j, (forall a, A a j = W a y0) \/ (forall a, A a j = - W a y0)) -> unitc A.
  by move=> h j; rewrite -[RHS](uW y0) /dotc; case: (h j) => e; apply: eq_bigr => a _; rewrite !e ?mulrNN.
have cW k : (forall a, W' a k = W a y0) \/ (forall a, W' a k = - W a y0).
  by case: (eqVneq k y0) => [->|/negPf n]; [left|right] => a; rewrite mxE ?eqxx ?n.
have uW' : unitc W' by apply: un.
have uH' : unitc H'.
  by apply: un => i; case: (cW (y i)) => e; [left|right] => a; rewrite mxE e.
have dE k i : dotc W' H' k i = dotc W' W' k (y i) by apply: eq_bigr => a _; rewrite [H' _ _]mxE.
have lt i : ln (sumexp tau off W' H' i) - logit tau off W' H' (y i) i < ln K%:R.
  have [k ky] : exists k, (k == y0) != (y i == y0).
    case: (eqVneq (y i) y0) => [e|_]; last by exists y0; rewrite eqxx.
    by have [k /negPf n] := other_class y i0 K1; exists k; rewrite n.
  have dk : dotc W' W' k (y i) = -1.
    rewrite -(uW y0) /dotc -sumrN; apply: eq_bigr => a _; rewrite !mxE.
    by move: ky; case: (k == y0); case: (y i == y0) => // _; rewrite ?mulrN ?mulNr.
  apply: (@lse_lt R K (fun k => logit tau off W' H' k i) (y i) k) => [j|]; rewrite /logit !addr0 !dE.
    by rewrite uW' ler_pmul2l //; apply: dotc_le1.
  by rewrite uW' dk ltr_pmul2l // -subr_gt0 opprK.
have := gm W' H' uW' uH'; apply/negP; rewrite -ltNge /cost.
have eq i : ln (sumexp tau off W H i) - logit tau off W H (y i) i = ln K%:R.
  rewrite /sumexp; have z k : logit tau off W H k i = 0 by rewrite /logit wh mulr0 addr0.
  by under eq_bigr do rewrite z expR0; rewrite z subr0 sumr_const card_ord.
have p i : 0 < om i * (ln (sumexp tau off W H i) - logit tau off W H (y i) i)
    - om i * (ln (sumexp tau off W' H' i) - logit tau off W' H' (y i) i).
  by rewrite eq -mulrBr; apply: mulr_gt0 (om0 i) _; rewrite subr_gt0; apply: lt.
by rewrite -subr_gt0 -sumrB; apply: (sum_gt0 i0 p).
Qed.

Lemma plane_degenerate : (0 < N)%N ->
  (forall k l a, \sum_(i | y i == k) tau i * om i * H a i = \sum_(i | y i == l) tau i * om i * H a i) ->
  [/\ stationary (cost y tau off om) W H, ~ global_min (cost y tau off om) W H &
      ~ strict_saddle (cost y tau off om) W H].
Proof.
move=> N0 /plane_critical cr; split; last first.
- rewrite cost_totalE => ss; have [U [V [tU tV]]] := saddle_neg_curv h1 h2 uW uH cr ss.
  by rewrite ltNge plane_hess.
- exact: plane_not_global.
- rewrite cost_totalE; exact: (critical_stationary h1 uW uH cr).
Qed.
End Plane.

(* signs that make the class sums of tau_i om_i equal give such a point: w the first axis, h_i = s_i times the second *)
Section Signs.
Variables (R : realType) (K N : nat) (y : 'I_N -> 'I_K) (tau om : 'I_N -> R) (s : 'I_N -> R).
Hypotheses (K1 : (1 < K)%N) (N0 : (0 < N)%N) (tau0 : forall i, 0 < tau i) (om0 : forall i, 0 < om i).
Hypotheses (s1 : forall i, s i = 1 \/ s i = - 1).
Hypothesis sums : forall k l, \sum_(i | y i == k) tau i * om i * s i = \sum_(i | y i == l) tau i * om i * s i.

Lemma plane_not_benign : ~ benign (@cost R 2 K N y tau (fun _ _ => 0) om).
Proof.
pose W : 'M[R]_(2,K) := \matrix_(a,k) (if a == 0 then 1 else 0).
pose H : 'M[R]_(2,N) := \matrix_(a,i) (if a == 0 then 0 else s i).
have uW : unitc W by move=> k; rewrite /dotc big_ord_recl big_ord1 !mxE /= mul0r addr0 mulr1.
have uH : unitc H.
  move=> i; rewrite /dotc big_ord_recl big_ord1 !mxE /= mul0r add0r.
  by case: (s1 i) => ->; rewrite ?mulrNN mulr1.
have wh k i : dotc W H k i = 0 by rewrite /dotc big_ord_recl big_ord1 !mxE /= mulr0 mul0r addr0.
have cl k l a : W a k = W a l by rewrite !mxE.
have eq k l a : \sum_(i | y i == k) tau i * om i * H a i = \sum_(i | y i == l) tau i * om i * H a i.
  have e j : \sum_(i | y i == j) tau i * om i * H a i = (\sum_(i | y i == j) tau i * om i * s i) * (a != 0)%:R.
    by rewrite mulr_suml; apply: eq_bigr => i _; rewrite mxE; case: (a == 0) => /=; ring.
  by rewrite !e (sums k l).
have [st ng ns] := plane_degenerate K1 tau0 om0 uW uH cl wh N0 eq.
by move=> bn; case: (bn W H uW uH st).
Qed.
End Signs.
