(* What the theorems speak of. To believe a statement of Theorems.v you need to believe Coq, the few lines
   below, and that they mean what you think they mean; everything else in this folder is proof.

   Notation as in docs/theory.md: W (d x K) are the classifiers, H (d x N) the features, both with unit columns;
   y the labels, tau the inverse temperature (one per sample), om the sample weights, off fixed logit offsets. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.classical Require Import boolp classical_sets.
From mathcomp.analysis Require Import reals topology normedtype sequences derive exp.
Set Implicit Arguments. Unset Strict Implicit. Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory numFieldTopology.Exports numFieldNormedType.Exports.
Local Open Scope ring_scope.

(* ---- the product of spheres ---- *)
Section Spheres.
Variables (R : realType) (d : nat).

(* inner product of column i of A and column j of B *)
Definition dotc n p (A : 'M[R]_(d,n)) (B : 'M[R]_(d,p)) i j := \sum_a A a i * B a j.
(* every column of A is a unit vector: A is a point of a product of n spheres *)
Definition unitc n (A : 'M[R]_(d,n)) := forall j, dotc A A j j = 1.
(* every column of T is orthogonal to the same column of A: T is tangent at A *)
Definition tangent n (A T : 'M[R]_(d,n)) := forall j, dotc A T j j = 0.
(* A and B differ by less than e in every entry *)
Definition close n (A B : 'M[R]_(d,n)) (e : R) := forall a j, `|A a j - B a j| < e.
(* every column divided by its norm *)
Definition normc n (A : 'M[R]_(d,n)) : 'M[R]_(d,n) := \matrix_(a,j) (A a j / Num.sqrt (dotc A A j j)).
(* the curve t |-> normalised A + t T: on the spheres, through A with velocity T *)
Definition retr n (A T : 'M[R]_(d,n)) (t : R) := normc (\matrix_(a,j) (A a j + t * T a j)).
End Spheres.

(* ---- minimisers and saddles of any cost f ---- *)
Section Points.
Variables (R : realType) (d K N : nat) (f : 'M[R]_(d,K) -> 'M[R]_(d,N) -> R).
Implicit Types (W U : 'M[R]_(d,K)) (H V : 'M[R]_(d,N)).

(* no pair of unit columns has a lower cost *)
Definition global_min W H := forall W' H', unitc W' -> unitc H' -> f W H <= f W' H'.
(* no pair of unit columns nearby has a lower cost *)
Definition local_min W H := exists2 e : R, 0 < e & forall W' H',
  unitc W' -> unitc H' -> close W' W e -> close H' H e -> f W H <= f W' H'.
(* the cost along the curve with velocity (U, V) *)
Definition along W H U V : R -> R := fun t => f (retr W U t) (retr H V t).
(* a critical point: the cost has derivative zero along every curve *)
Definition stationary W H := forall U V, tangent W U -> tangent H V ->
  is_derive (0 : R) (1 : R) (along W H U V) (0 : R).
(* along some curve the cost has a second derivative, and it is negative *)
Definition strict_saddle W H := exists U V, [/\ tangent W U, tangent H V &
  exists (f1 : R -> R) (c : R), [/\ forall t : R, is_derive t (1 : R) (along W H U V) (f1 t),
    is_derive (0 : R) (1 : R) f1 c & c < 0]].
(* every critical point is a global minimiser or a strict saddle *)
Definition benign := forall W H, unitc W -> unitc H -> stationary W H -> global_min W H \/ strict_saddle W H.
(* every local minimiser is a global minimiser *)
Definition no_spurious := forall W H, unitc W -> unitc H -> local_min W H -> global_min W H.
End Points.

(* ---- costs ---- *)
Section Costs.
Variables (R : realType) (d K N : nat).
Implicit Types (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)).

(* any losses l_i of the inner products z = (<w_1, h_i>, ..., <w_K, h_i>); weights and temperatures are part of l_i *)
Definition total (l : 'I_N -> ('I_K -> R) -> R) W H := \sum_i l i (fun k => dotc W H k i).

Variables (y : 'I_N -> 'I_K) (tau : 'I_N -> R) (off : 'I_K -> 'I_N -> R) (om : 'I_N -> R).
Definition logit W H k i := tau i * dotc W H k i + off k i.
Definition sumexp W H i := \sum_k expR (logit W H k i).
(* weighted cross-entropy *)
Definition cost W H := \sum_i om i * (ln (sumexp W H i) - logit W H (y i) i).
(* label smoothing: the target is (1 - eps) for the label plus eps / K for every class *)
Definition smoothed (eps : R) W H := \sum_i om i * (ln (sumexp W H i)
  - ((1 - eps) * logit W H (y i) i + eps / K%:R * \sum_k logit W H k i)).
(* logistic loss, one class against the others *)
Definition one_against_all W H := \sum_i om i * (ln (1 + expR (- logit W H (y i) i))
  + \sum_(k | k != y i) ln (1 + expR (logit W H k i))).
(* squared error: the own logit should be M and counts kappa times, the others should be 0 *)
Definition squared (kappa M : R) W H := \sum_i om i * (\sum_k (if k == y i
  then kappa * (logit W H k i - M) ^+ 2 / 2 else logit W H k i ^+ 2 / 2)).
End Costs.

(* ---- neural collapse ---- *)
Section NeuralCollapse.
Variables (R : realType) (d K N : nat).

(* the classes have equal total weight, and the weights sum to one *)
Definition balanced (y : 'I_N -> 'I_K) (om : 'I_N -> R) := forall k, \sum_(i | y i == k) om i = (K%:R)^-1.
(* every feature is the classifier of its label, and different classifiers have the inner product - 1 / (K - 1):
   they form a simplex frame *)
Definition neural_collapse (y : 'I_N -> 'I_K) (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)) :=
  (forall i a, H a i = W a (y i)) /\ (forall k l, k != l -> dotc W W k l = - (K%:R - 1)^-1).
(* the minimum of the cross-entropy for balanced classes and one inverse temperature *)
Definition balanced_minimum (tau : R) : R := ln (1 + (K%:R - 1) * expR (- (tau * K%:R / (K%:R - 1)))).
End NeuralCollapse.

(* ---- a bias b in R^K, minimised over too ---- *)
Section Bias.
Variables (R : realType) (d K N : nat) (y : 'I_N -> 'I_K) (tau : 'I_N -> R) (off : 'I_K -> 'I_N -> R) (om : 'I_N -> R).
Implicit Types (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)) (b c : 'I_K -> R).

Definition biased b k i := off k i + b k.
Definition cost_bias W H b := cost y tau (biased b) om W H.
Definition global_min_bias W H b := forall W' H' b',
  unitc W' -> unitc H' -> cost_bias W H b <= cost_bias W' H' b'.
Definition local_min_bias W H b := exists2 e : R, 0 < e & forall W' H' b',
  unitc W' -> unitc H' -> close W' W e -> close H' H e -> (forall k, `|b' k - b k| < e) ->
  cost_bias W H b <= cost_bias W' H' b'.
Definition stationary_bias W H b := stationary (cost y tau (biased b) om) W H /\
  forall c, is_derive (0 : R) (1 : R) (fun t : R => cost_bias W H (fun k => b k + t * c k)) (0 : R).
End Bias.
