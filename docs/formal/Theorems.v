(* The theorems, shortest statements first. Every word of a statement is defined in Definitions.v; every proof is a
   line or two that points to the file with the work. The names are those of docs/theory.md, and the ones that
   certificates and the checker print.

   `benign f` says: every critical point of f on the product of spheres is a global minimiser or a strict saddle.
   `no_spurious f` says: every local minimiser of f on the product of spheres is a global minimiser.
   K classes, dimension d, N samples; d.+1 is d + 1; all numbers in R are real. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.classical Require Import boolp classical_sets functions.
From mathcomp.analysis Require Import reals signed topology normedtype sequences derive realfun exp.
From mathcomp Require Import ring.
From Sphere Require Import Definitions Algebra Calculus Landscape TheoremC CrossEntropy TheoremS TheoremE Collapse.
From Sphere Require Import Bias Losses Plane Index TwoClasses Merge Affine.
From Sphere Require Import Balanced BalancedLosses Turned SmoothedThree.
Set Implicit Arguments. Unset Strict Implicit. Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Import numFieldTopology.Exports numFieldNormedType.Exports.
Local Open Scope ring_scope.

(* benign landscapes have no spurious local minimisers *)
Lemma benign_no_spurious (R : realType) (d K N : nat) (l : 'I_N -> ('I_K -> R) -> R)
  (g : 'I_N -> ('I_K -> R) -> 'I_K -> R) : chain1 l g ->
  benign (@total R d K N l) -> no_spurious (@total R d K N l).
Proof.
move=> h1 bn W H uW uH lm; have st := local_min_stationary h1 uW uH lm.
by case: (bn W H uW uH st) => // ss; have := saddle_not_local_min uW uH st ss lm.
Qed.

Section CrossEntropy.
Variables (R : realType) (d K N : nat) (y : 'I_N -> 'I_K).
Variables (tau : 'I_N -> R) (off : 'I_K -> 'I_N -> R) (om : 'I_N -> R).
Hypotheses (tau0 : forall i, 0 < tau i) (om0 : forall i, 0 < om i).
Local Notation f := (@cost R d K N y tau off om).
Let h1 := soft_chain1 (onehot R y) tau off om y.
Let h2 := soft_chain2 (onehot R y) tau off om y.
Let cx := soft_convex (onehot R y) tau off y om0.

(* Theorem S, for minimisers: if d >= max(K, 3), every local minimiser is a global one - at any temperatures, for any
   labels (empty classes too), positive weights and logit offsets. *)
Theorem no_spurious_S : (K <= d)%N -> (2 < d)%N -> no_spurious f.
Proof.
move=> dK d3 W H uW uH; rewrite cost_totalE; apply: (no_spurious_at h1 h2 cx uW uH) => cr.
exact: dichotomy_S.
Qed.

(* Theorem S: if d >= max(K, 3), every critical point is a global minimiser or a strict saddle. *)
Theorem benign_S : (K <= d)%N -> (2 < d)%N -> benign f.
Proof.
move=> dK d3 W H uW uH; rewrite cost_totalE; apply: (benign_at h1 h2 cx uW uH) => cr.
exact: dichotomy_S.
Qed.

(* Theorem E, the edge: if d = K - 1 >= 3 and 2 tau <= K - 2, every critical point is a global minimiser or a
   strict saddle. *)
Theorem benign_E : (2 < d)%N -> K = d.+1 -> (forall i, 2 * tau i <= d%:R - 1) -> benign f.
Proof.
move=> d3 Kd ht W H uW uH; rewrite cost_totalE; apply: (benign_at h1 h2 cx uW uH) => cr.
by apply: dichotomy_F => // i; right.
Qed.

(* Theorem E for minimisers *)
Theorem no_spurious_E : (2 < d)%N -> K = d.+1 -> (forall i, 2 * tau i <= d%:R - 1) -> no_spurious f.
Proof.
move=> d3 Kd ht; have := benign_E d3 Kd ht; rewrite cost_totalE; exact: benign_no_spurious h1.
Qed.

(* Theorem F: d = K - 1 >= 3, any temperatures: a critical point at which every sample is well classified
   (<w_k, h_i> <= <w_y, h_i> for all k) or has 2 tau_i <= K - 2 is a global minimiser or a strict saddle. *)
Theorem benign_F (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)) : (2 < d)%N -> K = d.+1 ->
  (forall i, (forall k, dotc W H k i <= dotc W H (y i) i) \/ 2 * tau i <= d%:R - 1) ->
  unitc W -> unitc H -> stationary f W H -> global_min f W H \/ strict_saddle f W H.
Proof.
move=> d3 Kd ft uW uH; rewrite cost_totalE; apply: (benign_at h1 h2 cx uW uH) => cr.
exact: dichotomy_F.
Qed.

(* Theorem F for minimisers: a local minimiser that is not a global one misclassifies a sample with 2 tau_i > K - 2. *)
Theorem no_spurious_F (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)) : (2 < d)%N -> K = d.+1 ->
  (forall i, (forall k, dotc W H k i <= dotc W H (y i) i) \/ 2 * tau i <= d%:R - 1) ->
  unitc W -> unitc H -> local_min f W H -> global_min f W H.
Proof.
move=> d3 Kd ft uW uH; rewrite cost_totalE; apply: (no_spurious_at h1 h2 cx uW uH) => cr.
exact: dichotomy_F.
Qed.

(* Collapsed classifiers: if d >= 3 and K >= 2, a critical point whose classifiers are all equal is a strict saddle,
   whatever K is. *)
Theorem collapsed_saddle (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)) (i : 'I_N) : (2 < d)%N -> (1 < K)%N ->
  unitc W -> unitc H -> (forall k l a, W a k = W a l) -> stationary f W H -> strict_saddle f W H.
Proof.
move=> d3 K1 uW uH cl; rewrite cost_totalE => st; have cr := stationary_critical h1 uW uH st.
apply: (neg_curv_saddle h1 h2 uW uH cr).
by apply: (collapsed_neg_curv off tau0 om0 H uW d3 K1 (i := i)) => k a; apply: cl.
Qed.

(* Theorem S with a bias b in R^K that is minimised over too *)
Theorem benign_bias (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)) (b : 'I_K -> R) : (K <= d)%N -> (2 < d)%N ->
  unitc W -> unitc H -> stationary_bias y tau off om W H b ->
  global_min_bias y tau off om W H b \/ strict_saddle (cost y tau (biased off b) om) W H.
Proof. by move=> dK d3 uW uH; apply: benign_bias_at. Qed.

Theorem no_spurious_bias (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)) (b : 'I_K -> R) : (K <= d)%N -> (2 < d)%N ->
  unitc W -> unitc H -> local_min_bias y tau off om W H b -> global_min_bias y tau off om W H b.
Proof. by move=> dK d3 uW uH; apply: no_spurious_bias_at. Qed.
End CrossEntropy.

(* So without offsets every spurious minimiser at d = K - 1 >= 3 misclassifies a sample with 2 tau_i > K - 2, and costs
   more than log 2 times the weight of that sample. *)
Theorem spurious_F (R : realType) (d K N : nat) (y : 'I_N -> 'I_K) (tau om : 'I_N -> R)
  (f := @cost R d K N y tau (fun _ _ => 0) om) (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)) :
  (forall i, 0 < tau i) -> (forall i, 0 < om i) -> (2 < d)%N -> K = d.+1 ->
  unitc W -> unitc H -> local_min f W H -> ~ global_min f W H ->
  exists i k, [/\ dotc W H (y i) i < dotc W H k i, d%:R - 1 < 2 * tau i & om i * ln 2 < f W H].
Proof.
move=> tau0 om0 d3 Kd uW uH lm ng; apply: contrapT => ne; apply: ng.
apply: (no_spurious_F tau0 om0 d3 Kd _ uW uH lm) => i.
case: (lerP (2 * tau i) (d%:R - 1)) => ht; [by right|left=> k].
rewrite leNgt; apply/negP => lt; apply: ne; exists i, k; split=> //.
exact: (misclassified_cost tau0 om0 lt).
Qed.

(* ---- balanced classes, one inverse temperature T, no offsets: neural collapse ---- *)
Section Balanced.
Variables (R : realType) (d K N : nat) (y : 'I_N -> 'I_K) (T : R) (om : 'I_N -> R).
Hypotheses (K2 : (1 < K)%N) (T0 : 0 < T) (om0 : forall i, 0 < om i) (bal : balanced y om).
Local Notation f := (@cost R d K N y (fun=> T) (fun _ _ => 0) om).
Local Notation fmin := (@balanced_minimum R K T).

(* Neural collapse: if d >= max(K, 3), every local minimiser is a simplex frame with each feature at its classifier,
   and its cost is log(1 + (K - 1) exp(- T K / (K - 1))). *)
Theorem local_min_collapsed (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)) : (K <= d)%N -> (2 < d)%N ->
  unitc W -> unitc H -> local_min f W H -> neural_collapse y W H /\ f W H = fmin.
Proof.
move=> dK d3 uW uH lm; apply: global_min_collapsed => //; first exact: leqW.
exact: (no_spurious_S (fun=> T0) om0 dK d3 uW uH lm).
Qed.

(* The same at d = K - 1 >= 3 where 2 T <= K - 2 *)
Theorem local_min_collapsed_edge (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)) : (2 < d)%N -> K = d.+1 -> 2 * T <= d%:R - 1 ->
  unitc W -> unitc H -> local_min f W H -> neural_collapse y W H /\ f W H = fmin.
Proof.
move=> d3 Kd T1 uW uH lm; apply: global_min_collapsed => //; first by rewrite Kd.
exact: (no_spurious_E (fun=> T0) om0 d3 Kd (fun=> T1) uW uH lm).
Qed.

(* The minimum, in every dimension: fmin is a lower bound; it is attained at neural collapse, and nowhere else;
   and neural collapse exists if and only if d >= K - 1. *)
Theorem minimum_bound (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)) : unitc W -> unitc H -> fmin <= f W H.
Proof. by move=> uW uH; apply: fmin_le. Qed.

Theorem minimum_iff_collapse (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)) : unitc W -> unitc H ->
  f W H = fmin <-> neural_collapse y W H.
Proof.
move=> uW uH; split=> [e|nc]; first by apply: (fmin_eq K2 T0 om0) => //; rewrite e.
by apply: attained => //; [apply: collapse_simplex nc|case: nc].
Qed.

Theorem collapse_exists : (K <= d.+1)%N <-> exists (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)),
  [/\ unitc W, unitc H & neural_collapse y W H].
Proof.
have K1 := K1 R K2; have K0 := K0 R K2.
split=> [dK|[W [H [uW _ nc]]]]; last exact: simplex_needs K2 (collapse_simplex K2 uW nc).
have [E sE] := @simplex_exists R d K K2 dK; have uE := simplex_unit K2 sE.
exists E, (\matrix_(a,i) E a (y i)); split=> [//|i|].
  by rewrite -[RHS](uE (y i)); apply: eq_bigr => a _; rewrite !mxE.
split=> [i a|k l /negPf kl]; first by rewrite mxE.
by rewrite sE kl mulr0n; field; rewrite !gt_eqF.
Qed.
End Balanced.

(* ---- any convex losses ---- *)
Section Convex.
Variables (R : realType) (d K N : nat).
Variables (l : 'I_N -> ('I_K -> R) -> R) (g : 'I_N -> ('I_K -> R) -> 'I_K -> R)
  (Q : 'I_N -> ('I_K -> R) -> 'I_K -> 'I_K -> R).
(* l_i has the gradient g_i and the second derivative Q_i (chain rule), and is convex *)
Hypotheses (h1 : chain1 l g) (h2 : chain2 g Q) (cx : convex l g).
Local Notation f := (@total R d K N l).

(* Duality gap, at any point, critical or not, of any dimension: if S + diag(eta, theta) >= 0, no feasible point is
   lower than the cost minus half the sum of eta and theta. *)
Theorem duality_gap (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)) (eta : 'I_K -> R) (theta : 'I_N -> R) :
  (forall x z, 0 <= qS g W H x z + \sum_k eta k * x k ^+ 2 + \sum_i theta i * z i ^+ 2) ->
  forall (W' : 'M[R]_(d,K)) (H' : 'M[R]_(d,N)), unitc W' -> unitc H' ->
  f W H - (\sum_k eta k + \sum_i theta i) / 2 <= f W' H'.
Proof. exact: Landscape.duality_gap. Qed.

(* Index of a rank-deficient point: (W, H) in dimension d, and the same configuration in dimension d + e, its new rows
   zero. If the Hessian at (W, H) has the index m on the tangent space, and S has the index n, then the Hessian in
   dimension d + e has the index m + e n. (Index.v: has_index q T m says that T is the direct sum of a space of
   dimension m where q < 0 and one where q >= 0; m is unique.) *)
Theorem index_deficient (e m n : nat) (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)) :
  has_index (fun X : 'M[R]_(d,K) * 'M[R]_(d,N) => hess g Q W H X.1 X.2) (tangent_space W H) m ->
  has_index (fun X : 'rV[R]_K * 'rV[R]_N => qS g W H (fun k => X.1 0 k) (fun i => X.2 0 i)) fullv n ->
  has_index (fun X : 'M[R]_(d + e,K) * 'M[R]_(d + e,N) => hess g Q (col_mx W 0) (col_mx H 0) X.1 X.2)
    (tangent_space (col_mx W 0) (col_mx H 0)) (m + e * n).
Proof.
move=> hm hn; apply: Index.index_deficient hm _.
rewrite (_ : @rows _ _ _ _ 1 = fun X => qS g W H (fun k => X.1 0 k) (fun i => X.2 0 i)) //.
by apply/funext => X; apply: big_ord1.
Qed.

(* ... and an orthogonal matrix that turns the point leaves the index, so this says it of every point of rank d. *)
Theorem index_rotated (m : nat) (O : 'M[R]_d) (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)) : O^T *m O = 1%:M ->
  has_index (fun X : 'M[R]_(d,K) * 'M[R]_(d,N) => hess g Q W H X.1 X.2) (tangent_space W H) m ->
  has_index (fun X : 'M[R]_(d,K) * 'M[R]_(d,N) => hess g Q (O *m W) (O *m H) X.1 X.2)
    (tangent_space (O *m W) (O *m H)) m.
Proof. by move=> OO; apply: (index_turned OO). Qed.

Theorem index_unique (E : vectType R) (q : E -> R) (T : {vspace E}) m m' :
  has_index q T m -> has_index q T m' -> m = m'.
Proof. exact: Index.index_unique. Qed.

(* Theorem C: no gradient vanishes at the point, and d >= K + 1, or d >= max(K, 3) and the losses ignore a common
   shift; a critical point is a global minimiser or a strict saddle. *)
Theorem benign_C (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)) : unitc W -> unitc H ->
  (forall i, exists k, g i (fun k => dotc W H k i) k != 0) ->
  (K < d)%N \/ [/\ (K <= d)%N, (2 < d)%N & shift_inv g Q] ->
  stationary f W H -> global_min f W H \/ strict_saddle f W H.
Proof.
move=> uW uH gn0 dims; apply: (benign_at h1 h2 cx uW uH) => cr.
by case: dims => [dK|[dK d3 sh]]; [apply: dichotomy_C|apply: dichotomy_C_shift].
Qed.

Theorem no_spurious_C (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)) : unitc W -> unitc H ->
  (forall i, exists k, g i (fun k => dotc W H k i) k != 0) ->
  (K < d)%N \/ [/\ (K <= d)%N, (2 < d)%N & shift_inv g Q] ->
  local_min f W H -> global_min f W H.
Proof.
move=> uW uH gn0 dims; apply: (no_spurious_at h1 h2 cx uW uH) => cr.
by case: dims => [dK|[dK d3 sh]]; [apply: dichotomy_C|apply: dichotomy_C_shift].
Qed.

(* Theorem C where gradients may vanish: losses that ignore a common shift, d >= K, and classifiers of which no
   combination with coefficients that sum to zero vanishes but the trivial one. *)
Theorem benign_affine (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)) : unitc W -> unitc H ->
  (forall c : 'I_K -> R, \sum_k c k = 0 -> (forall a, \sum_k W a k * c k = 0) -> forall k, c k = 0) ->
  shift_inv g Q -> (K <= d)%N -> stationary f W H -> global_min f W H \/ strict_saddle f W H.
Proof.
move=> uW uH ind sh dK; apply: (benign_at h1 h2 cx uW uH) => cr; exact: dichotomy_affine cr sh ind dK.
Qed.
End Convex.

(* ---- Theorem C for the losses in use: no hypothesis on the point is left ---- *)
Section Losses.
Variables (R : realType) (d K N : nat) (y : 'I_N -> 'I_K).
Variables (tau : 'I_N -> R) (off : 'I_K -> 'I_N -> R) (om : 'I_N -> R).
Hypotheses (tau0 : forall i, 0 < tau i) (om0 : forall i, 0 < om i).

(* One class against the others: if d >= K + 1, benign at any temperatures, labels, positive weights and offsets. *)
Theorem benign_one_against_all : (K < d)%N -> benign (@one_against_all R d K N y tau off om).
Proof.
move=> dK W H uW uH; rewrite one_against_all_totalE.
apply: (benign_C (sep_chain1 (oaa_d1 y tau off om)) (sep_chain2 (oaa_d2 y tau off om))
  (sep_convex (oaa_convex y tau off om0)) uW uH _ (or_introl dK)) => i.
exact: oaa_grad_neq0.
Qed.

Theorem no_spurious_one_against_all : (K < d)%N -> no_spurious (@one_against_all R d K N y tau off om).
Proof.
move=> dK; have := benign_one_against_all dK; rewrite one_against_all_totalE.
exact: benign_no_spurious (sep_chain1 (oaa_d1 y tau off om)).
Qed.

(* Squared error: if d >= K + 1 and tau (plus the offset of the label) is below the target M, benign. *)
Theorem benign_squared kappa M : 0 < kappa -> (K < d)%N -> (forall i, tau i + off (y i) i < M) ->
  benign (@squared R d K N y tau off om kappa M).
Proof.
move=> kappa0 dK t1 W H uW uH; rewrite squared_totalE.
apply: (benign_C (sep_chain1 (sq_d1 y tau off om kappa M)) (sep_chain2 (sq_d2 y tau off om kappa M))
  (sep_convex (sq_convex y tau off om0 M kappa0)) uW uH _ (or_introl dK)) => i.
exact: sq_grad_neq0.
Qed.

Theorem no_spurious_squared kappa M : 0 < kappa -> (K < d)%N -> (forall i, tau i + off (y i) i < M) ->
  no_spurious (@squared R d K N y tau off om kappa M).
Proof.
move=> kappa0 dK t1; have := benign_squared kappa0 dK t1; rewrite squared_totalE.
exact: benign_no_spurious (sep_chain1 (sq_d1 y tau off om kappa M)).
Qed.

(* Label smoothing with 0 < eps: if d >= max(K, 3) and 2 tau < log(1 + K (1 - eps) / eps), benign. *)
Variable eps : R.
Local Notation f := (@smoothed R d K N y tau (fun _ _ => 0) om eps).
Local Notation q := (smooth_target y eps).
Hypotheses (K1 : (1 < K)%N) (dK : (K <= d)%N) (d3 : (2 < d)%N) (eps0 : 0 < eps).
Hypothesis ht : forall i, 2 * tau i < ln (1 + K%:R * (1 - eps) / eps).

Theorem benign_smoothed : benign f.
Proof.
move=> W H uW uH; rewrite smoothed_totalE.
apply: (benign_C (soft_chain1 q tau _ om y) (soft_chain2 q tau _ om y) (soft_convex q tau _ y om0) uW uH) => [i|].
  exact: smooth_grad_neq0.
by right; split=> //; apply: (soft_shift _ _ _ y); apply: smooth_sum1.
Qed.

Theorem no_spurious_smoothed : no_spurious f.
Proof.
have := benign_smoothed; rewrite smoothed_totalE; exact: benign_no_spurious (soft_chain1 q tau _ om y).
Qed.

(* Label smoothing above that threshold: a critical point that is neither a global minimiser nor a strict saddle has
   affinely dependent classifiers. *)
Theorem benign_smoothed_affine (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)) :
  unitc W -> unitc H -> stationary f W H -> ~ global_min f W H -> ~ strict_saddle f W H ->
  exists c : 'I_K -> R, [/\ \sum_k c k = 0, (forall a, \sum_k W a k * c k = 0) & exists k, c k != 0].
Proof.
move=> uW uH; rewrite smoothed_totalE => st ng ns; apply: contrapT => nc.
have ind : affine_independent W.
  by move=> c c0 Wc k; apply/eqP/negPn/negP => ck; apply: nc; exists c; split=> //; exists k.
have sh : shift_inv (soft_grad q tau (fun _ _ => 0) om) (soft_hess tau (fun _ _ => 0) om).
  by apply: (soft_shift _ _ _ y); apply: smooth_sum1.
by case: (benign_affine (soft_chain1 q tau _ om y) (soft_chain2 q tau _ om y) (soft_convex q tau _ y om0)
  uW uH ind sh dK st).
Qed.
End Losses.

(* Label smoothing of two or three classes, one inverse temperature, d >= 3: benign, however large the temperature. *)
Section SmoothedThree.
Variables (R : realType) (d K N : nat) (y : 'I_N -> 'I_K) (T eps : R) (om : 'I_N -> R).
Hypotheses (K1 : (1 < K)%N) (K3 : (K <= 3)%N) (d3 : (2 < d)%N) (T0 : 0 < T) (om0 : forall i, 0 < om i).
Hypotheses (eps0 : 0 < eps) (eps1 : eps < 1).
Local Notation f := (@smoothed R d K N y (fun=> T) (fun _ _ => 0) om eps).
Local Notation q := (smooth_target y eps).

Theorem benign_smoothed_three : benign f.
Proof.
move=> W H uW uH; rewrite smoothed_totalE.
apply: (benign_at (soft_chain1 q _ _ om y) (soft_chain2 q _ _ om y) (soft_convex q _ _ y om0) uW uH) => cr.
exact: dichotomy_three.
Qed.

Theorem no_spurious_smoothed_three : no_spurious f.
Proof.
have := benign_smoothed_three; rewrite smoothed_totalE; exact: benign_no_spurious (soft_chain1 q _ _ om y).
Qed.
End SmoothedThree.

(* ---- Theorem G: the minimum for balanced classes and any convex loss that treats the classes alike ---- *)
Section LeastValues.
Variables (R : realType) (d K N : nat) (y : 'I_N -> 'I_K) (om : 'I_N -> R).
Hypotheses (K2 : (1 < K)%N) (om0 : forall i, 0 < om i) (bal : balanced y om).
Section TheoremG.
Variables (l : 'I_N -> ('I_K -> R) -> R) (g : 'I_N -> ('I_K -> R) -> 'I_K -> R) (phi p r : R -> R -> R).
(* l_i is convex with gradient g_i, and at scores b for the label and c for the others it is om_i phi(b, c), with gradient
   om_i p(b, c) and om_i r(b, c) *)
Hypotheses (cx : convex l g) (al : alike y om l g phi p r).

(* In every dimension the cost of a point is at least phi(b, c) for some b and c with
   |b + (K - 1) c| + (K - 1) |b - c| <= K; in dimension K and more, every such phi(b, c) is the cost of a point. *)
Theorem least_value_G : (forall (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)), unitc W -> unitc H ->
    exists b c, in_range K b c /\ phi b c <= total l W H) /\
  ((K <= d)%N -> forall b c, in_range K b c -> exists (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)),
    [/\ unitc W, unitc H & total l W H = phi b c]).
Proof. by split=> [W H uW uH|dK b c rg]; [apply: (bound_G K2 om0 bal cx al)|apply: (attained_G K2 bal al dK rg)]. Qed.

(* So neural collapse has the least cost if |p + (K - 1) r| <= r - p at its scores 1 and - 1 / (K - 1). *)
Theorem least_value_simplex (b := 1 : R) (c := - (K%:R - 1)^-1 : R) (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)) :
  `|p b c + (K%:R - 1) * r b c| <= r b c - p b c -> unitc W -> unitc H -> neural_collapse y W H ->
  total l W H = phi b c /\ global_min (total l) W H.
Proof.
move=> h uW uH nc; have e := simplex_value K2 bal al (collapse_simplex K2 uW nc) nc.1.
by split=> // W' H' uW' uH'; rewrite e; apply: (simplex_bound K2 om0 bal cx al uW' uH' h).
Qed.
End TheoremG.

Variable T : R.
Hypothesis T0 : 0 < T.
Local Notation tau := (fun=> T).
Local Notation off := (fun _ _ => 0).

(* Label smoothing: neural collapse has the least cost while T K / (K - 1) is at most the least margin
   log(1 + K (1 - eps) / eps); the entropy of the target is a lower bound, attained from there on if d >= K. *)
Theorem least_value_smoothed eps (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)) : 0 < eps -> eps <= 1 -> unitc W -> unitc H ->
  (T * K%:R / (K%:R - 1) <= least_margin K eps -> smoothed_two K T eps 1 (- (K%:R - 1)^-1) <= smoothed y tau off om eps W H)
  /\ smoothed_entropy K eps <= smoothed y tau off om eps W H.
Proof.
move=> eps0 eps1 uW uH.
by split=> [small|]; [apply: smoothed_simplex|apply: smoothed_ge_entropy].
Qed.

Theorem least_value_smoothed_attained eps : 0 < eps -> eps <= 1 -> least_margin K eps <= T * K%:R / (K%:R - 1) ->
  (K <= d)%N -> exists (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)),
  [/\ unitc W, unitc H & smoothed y tau off om eps W H = smoothed_entropy K eps].
Proof. by move=> eps0 eps1 large dK; apply: smoothed_entropy_attained. Qed.

(* One class against the others: neural collapse has the least cost if (K - 2) s(- T / (K - 1)) <= 2 s(- T), s the logistic
   function. *)
Theorem least_value_one_against_all (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)) :
  (K%:R - 2) * logistic (- (T / (K%:R - 1))) <= 2 * logistic (- T) -> unitc W -> unitc H ->
  one_against_all_two K T 1 (- (K%:R - 1)^-1) <= one_against_all y tau off om W H.
Proof. exact: one_against_all_simplex. Qed.
End LeastValues.

(* Squared error with temperatures up to the target, any labels and weights: the least value, attained if d >= K. *)
Theorem least_value_squared (R : realType) (d K N : nat) (y : 'I_N -> 'I_K) (tau om : 'I_N -> R) (kappa M : R) :
  (forall i, 0 < tau i) -> (forall i, 0 < om i) -> 0 < kappa -> (forall i, tau i <= M) ->
  (forall (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)), unitc W -> unitc H ->
    squared_least tau om kappa M <= squared y tau (fun _ _ => 0) om kappa M W H) /\
  ((K <= d)%N -> exists (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)), [/\ unitc W, unitc H &
    squared y tau (fun _ _ => 0) om kappa M W H = squared_least tau om kappa M]).
Proof. by move=> tau0 om0 kappa0 tM; split=> [W H uW uH|dK]; [apply: squared_ge|apply: squared_attained]. Qed.

(* ---- a turned sample: a simplex frame, one sample at the antipode of its classifier ---- *)
Section TurnedSample.
Variables (R : realType) (d K N : nat) (y : 'I_N -> 'I_K) (T : R) (om : 'I_N -> R).
Variables (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)) (i : 'I_N).
Hypotheses (K2 : (1 < K)%N) (T0 : 0 < T) (om0 : forall i, 0 < om i) (sW : simplex W).
Hypothesis turned : forall a, H a i = - W a (y i).
Local Notation h := (hess (soft_grad (onehot R y) (fun=> T) (fun _ _ => 0) om) (soft_hess (fun=> T) (fun _ _ => 0) om) W H).

(* In dimension K - 1 the Hessian along any turn v of this sample alone has the sign of T - (K - 1). *)
Theorem turned_sample_edge v : K = d.+1 -> bdot v H i = 0 -> h (outer v (fun=> 0)) (outer v (delta R i)) =
  om i * T * turned_prob K T * (K%:R / (K%:R - 1)) * (T - (K%:R - 1)) * sqn v.
Proof. exact: turned_edge. Qed.

(* In dimension K and more such a point is a strict saddle, if it is critical. *)
Theorem turned_sample_saddle : (K <= d)%N -> unitc W -> unitc H ->
  stationary (cost y (fun=> T) (fun _ _ => 0) om) W H -> strict_saddle (cost y (fun=> T) (fun _ _ => 0) om) W H.
Proof.
move=> dK uW uH; rewrite cost_totalE => st; have h1 := soft_chain1 (onehot R y) (fun=> T) (fun _ _ => 0) om y.
have cr := stationary_critical h1 uW uH st.
apply: (neg_curv_saddle h1 (soft_chain2 (onehot R y) (fun=> T) (fun _ _ => 0) om y) uW uH cr).
exact: (turned_saddle K2 T0 om0 sW turned dK).
Qed.
End TurnedSample.

(* ---- cross-entropy in the plane, d = 2 ---- *)
Section Plane.
Variables (R : realType) (K N : nat) (y : 'I_N -> 'I_K) (tau om : 'I_N -> R).
Hypotheses (K1 : (1 < K)%N) (N0 : (0 < N)%N) (tau0 : forall i, 0 < tau i) (om0 : forall i, 0 < om i).
Local Notation f := (@cost R 2 K N y tau (fun _ _ => 0) om).

(* If signs s_i = 1 or -1 make the sums of s_i tau_i om_i over the classes all equal, the landscape in the plane is
   not benign. With equal tau and weights: class sizes of one parity (an empty class: all even), as 3, 1, 1 or 4, 2. *)
Theorem not_benign_plane (s : 'I_N -> R) : (forall i, s i = 1 \/ s i = - 1) ->
  (forall k l, \sum_(i | y i == k) tau i * om i * s i = \sum_(i | y i == l) tau i * om i * s i) -> ~ benign f.
Proof. exact: plane_not_benign. Qed.

Variables (W : 'M[R]_(2,K)) (H : 'M[R]_(2,N)).
Hypotheses (uW : unitc W) (uH : unitc H) (equal : forall k l a, W a k = W a l).

(* The degenerate points: all classifiers one vector, all features orthogonal to it, and the sums of tau_i om_i h_i over
   the classes equal. Such a point is critical, no global minimiser and no strict saddle. *)
Theorem degenerate_plane : (forall k i, dotc W H k i = 0) ->
  (forall k l a, \sum_(i | y i == k) tau i * om i * H a i = \sum_(i | y i == l) tau i * om i * H a i) ->
  [/\ stationary f W H, ~ global_min f W H & ~ strict_saddle f W H].
Proof. by move=> wh; apply: plane_degenerate. Qed.

(* Every other critical point whose classifiers are all equal is a strict saddle. *)
Theorem collapsed_saddle_plane k i : dotc W H k i != 0 -> stationary f W H -> strict_saddle f W H.
Proof.
move=> wh; rewrite cost_totalE => st; have cr := stationary_critical (soft_chain1 (onehot R y) tau _ om y) uW uH st.
apply: (neg_curv_saddle (soft_chain1 (onehot R y) tau _ om y) (soft_chain2 (onehot R y) tau _ om y) uW uH cr).
exact: plane_saddle wh.
Qed.
End Plane.

(* ---- two classes, one inverse temperature, any dimension: all critical points in closed form ---- *)
Section Two.
Variables (R : realType) (d N : nat) (y : 'I_N -> 'I_2) (T : R) (om : 'I_N -> R).
Hypotheses (T0 : 0 < T) (om0 : forall i, 0 < om i).
Local Notation f := (@cost R d 2 N y (fun=> T) (fun _ _ => 0) om).

(* Let r be the distance of the two classifiers, r > 0. The point is critical if and only if every feature is
   s_i (w_y - w_j) / r with a sign s_i (j the other class), and either the classifiers are opposite, or the total
   weights of the two signs satisfy Omega_+ = exp(T r) Omega_-. *)
Theorem critical_two_classes (W : 'M[R]_(d,2)) (H : 'M[R]_(d,N)) (r := Num.sqrt (\sum_a (W a 0 - W a 1) ^+ 2)) :
  unitc W -> unitc H -> 0 < r ->
  stationary f W H <-> exists s : 'I_N -> R, [/\ forall i, s i = 1 \/ s i = -1,
    forall a i, H a i = s i * (if y i == 0 then 1 else -1) * (W a 0 - W a 1) / r &
    (forall a, W a 1 = - W a 0) \/ \sum_(i | s i == 1) om i = expR (T * r) * \sum_(i | s i == -1) om i].
Proof.
move=> uW uH r0; rewrite cost_totalE; have h1 := soft_chain1 (onehot R y) (fun=> T) (fun _ _ => 0) om y.
split=> [st|[s [s1 HE h]]].
  have cr := stationary_critical h1 uW uH st.
  have [s [s1 HE]] := features_two T0 om0 uH r0 cr.
  by have [to _] := critical_two om T0 uW r0 s1 HE; exists s; split=> //; apply: to cr.
have [_ from] := critical_two om T0 uW r0 s1 HE.
exact: (critical_stationary h1 uW uH (from h)).
Qed.
End Two.

(* ---- equal samples ---- *)
Section Merged.
Variables (R : realType) (d K N M : nat) (gr : 'I_N -> 'I_M) (om : 'I_N -> R).
Variables (L : 'I_M -> ('I_K -> R) -> R) (dL : 'I_M -> ('I_K -> R) -> 'I_K -> R)
  (ddL : 'I_M -> ('I_K -> R) -> 'I_K -> 'I_K -> R).
Hypotheses (om0 : forall i, 0 < om i) (occupied : forall j, exists i, gr i = j).
Variables (W : 'M[R]_(d,K)) (H : 'M[R]_(d,M)).
(* the point with feature h_j at every sample of group j *)
Let H1 : 'M[R]_(d,N) := \matrix_(a,i) H a (gr i).

(* Samples i of group gr i have the loss om_i L_(gr i) (l1), the merged sample j has the total weight of its group (l2):
   same cost, and one point is critical if and only if the other is. *)
Theorem merged_cost : total (l1 gr om L) W H1 = total (l2 gr om L) W H.
Proof. exact: merge_total. Qed.

Theorem merged_critical : critical (g1 gr om dL) W H1 <-> critical (g2 gr om dL) W H.
Proof. exact: merge_critical. Qed.

(* The Hessian along (U, V) is the merged Hessian along (U, group means of V) plus, for each sample, om_i times the form
   v |-> v^T W C_j W^T v - beta_j |v|^2 (turn_form) at its deviation v from the mean. *)
Theorem merged_hessian (U : 'M[R]_(d,K)) (V : 'M[R]_(d,N)) : hess (g1 gr om dL) (Q1 gr om ddL) W H1 U V =
  hess (g2 gr om dL) (Q2 gr om ddL) W H U (group_mean gr om V)
  + \sum_i om i * turn_form dL ddL W H (gr i) (fun a => V a i - group_mean gr om V a (gr i)).
Proof. exact: mean_hess. Qed.
End Merged.

(* ---- points of lower rank ---- *)
Section LowRank.
Variables (R : realType) (d K N : nat).
Variables (l : 'I_N -> ('I_K -> R) -> R) (g : 'I_N -> ('I_K -> R) -> 'I_K -> R).
Hypothesis h1 : chain1 l g.

(* A critical point stays critical with e more coordinates that are zero, and only critical points do. *)
Theorem critical_any_dimension e (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)) :
  critical g (col_mx W (0 : 'M[R]_(e,K))) (col_mx H 0) <-> critical g W H.
Proof. exact: pad_critical. Qed.

(* Points of rank one, W = a s^T and H = a t^T with signs s and t, are critical for every loss. *)
Theorem rank_one_stationary (a : 'I_d -> R) (s : 'I_K -> R) (t : 'I_N -> R) : \sum_c a c ^+ 2 = 1 ->
  (forall k, s k = 1 \/ s k = -1) -> (forall i, t i = 1 \/ t i = -1) ->
  stationary (total l) (\matrix_(c,k) (a c * s k)) (\matrix_(c,i) (a c * t i)).
Proof. by move=> a1 s1 t1; exact: (rank_one h1 a1 s1 t1). Qed.
End LowRank.
