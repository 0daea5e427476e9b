(* Gradient, Hessian and the matrix S for the cost sum_i l_i(W^T h_i) with any smooth losses l_i, and what they
   mean for minimisers and saddles as Definitions.v defines them. docs/theory.md: "Derivatives", "A matrix that
   bounds the distance to the minimum". *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.classical Require Import boolp classical_sets functions.
From mathcomp.analysis Require Import reals signed topology normedtype sequences derive realfun exp.
From mathcomp Require Import ring.
From Sphere Require Import Definitions Algebra Calculus.
Set Implicit Arguments. Unset Strict Implicit. Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Import numFieldTopology.Exports numFieldNormedType.Exports.
Local Open Scope ring_scope.

(* ---- definitions that occur in the proofs (the statements of Theorems.v do not need them) ---- *)
Section Derivatives.
Variables (R : realType) (d K N : nat).
(* g i: the gradient of the loss l_i; Q i: its second derivative; both functions of the K inner products *)
Variables (l : 'I_N -> ('I_K -> R) -> R) (g : 'I_N -> ('I_K -> R) -> 'I_K -> R)
  (Q : 'I_N -> ('I_K -> R) -> 'I_K -> 'I_K -> R).
Implicit Types (W U : 'M[R]_(d,K)) (H V : 'M[R]_(d,N)).

(* the inner products of sample i *)
Definition scores W H i : 'I_K -> R := fun k => dotc W H k i.
(* the matrix G, derivative of the cost by W^T H *)
Definition Gm W H k i := g i (scores W H i) k.
(* the multipliers of the spheres *)
Definition alpha W H k := \sum_i Gm W H k i * dotc W H k i.
Definition beta W H i := \sum_k Gm W H k i * dotc W H k i.
(* the Riemannian gradient vanishes: H G^T = W diag(alpha), W G = H diag(beta) *)
Definition critical W H :=
  (forall a k, \sum_i H a i * Gm W H k i = W a k * alpha W H k) /\
  (forall a i, \sum_k W a k * Gm W H k i = H a i * beta W H i).
(* change of the inner products along (U, V): D = U^T H + W^T V *)
Definition Dm W H U V k i := dotc U H k i + dotc W V k i.
(* loss curvature of sample i along D *)
Definition curv W H (D : 'I_K -> 'I_N -> R) i := \sum_k \sum_j Q i (scores W H i) k j * (D k i * D j i).
(* the Riemannian Hessian as a quadratic form, formula (1) of docs/theory.md *)
Definition hess W H U V := \sum_i curv W H (Dm W H U V) i
  + 2 * (\sum_i \sum_k Gm W H k i * dotc U V k i)
  - \sum_k alpha W H k * dotc U U k k - \sum_i beta W H i * dotc V V i i.
(* (x, z)^T S (x, z) *)
Definition qS W H (x : 'I_K -> R) (z : 'I_N -> R) :=
  2 * (\sum_i \sum_k Gm W H k i * (x k * z i))
  - \sum_k alpha W H k * x k ^+ 2 - \sum_i beta W H i * z i ^+ 2.
(* S >= 0 *)
Definition psd W H := forall x z, 0 <= qS W H x z.
(* the Hessian is negative in some direction *)
Definition neg_curv W H := exists U V, [/\ tangent W U, tangent H V & hess W H U V < 0].

(* what is asked of the losses: *)
(* first-order convexity *)
Definition convex := forall i z z', \sum_k g i z k * (z' k - z k) <= l i z' - l i z.
(* g is the gradient of l, and Q the derivative of g: the chain rule holds along differentiable curves *)
Definition chain1 := forall i (c : R -> 'I_K -> R) (c1 : 'I_K -> R) (t : R),
  (forall k, is_derive t (1 : R) (fun x => c x k) (c1 k)) ->
  is_derive t (1 : R) (fun x => l i (c x)) (\sum_k g i (c t) k * c1 k).
Definition chain2 := forall i k (c : R -> 'I_K -> R) (c1 : 'I_K -> R) (t : R),
  (forall k, is_derive t (1 : R) (fun x => c x k) (c1 k)) ->
  is_derive t (1 : R) (fun x => g i (c x) k) (\sum_j Q i (c t) k j * c1 j).
(* the loss ignores a common shift of the inner products *)
Definition shift_inv := [/\ forall i z, \sum_k g i z k = 0,
  forall i z k, \sum_j Q i z k j = 0 & forall i z j, \sum_k Q i z k j = 0].
End Derivatives.

(* ---- algebra: the matrix S ---- *)
Section Duality.
Variables (R : realType) (d K N : nat).
Variables (l : 'I_N -> ('I_K -> R) -> R) (g : 'I_N -> ('I_K -> R) -> 'I_K -> R)
  (Q : 'I_N -> ('I_K -> R) -> 'I_K -> 'I_K -> R).
Variables (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)).
Local Notation G := (Gm g W H).
Local Notation al := (alpha g W H).
Local Notation be := (beta g W H).
Local Notation q := (qS g W H).
Local Notation hs := (hess g Q W H).
Local Notation cv := (curv Q W H).

Lemma sum_alphaE : \sum_k al k = \sum_i \sum_k G k i * dotc W H k i.
Proof. exact: exchange_big. Qed.

(* the trace of a diagonal form over unit columns *)
Lemma sum_unitc n (A : 'M[R]_(d,n)) (c : 'I_n -> R) : unitc A -> \sum_a \sum_k c k * A a k ^+ 2 = \sum_k c k.
Proof.
move=> uA; rewrite exchange_big /=; apply: eq_bigr => k _.
by rewrite -mulr_sumr -[RHS]mulr1 -(uA k) /dotc; congr (_ * _); apply: eq_bigr => a _; rewrite expr2.
Qed.

(* tr(S X'^T X') = 2 <G, W'^T H' - W^T H> for every feasible point X' *)
Lemma traceS (W' : 'M[R]_(d,K)) (H' : 'M[R]_(d,N)) : unitc W' -> unitc H' ->
  \sum_a q (fun k => W' a k) (fun i => H' a i) = 2 * (\sum_i \sum_k G k i * (dotc W' H' k i - dotc W H k i)).
Proof.
move=> uW' uH'; rewrite /qS !sumrB !sum_unitc // -mulr_sumr.
have -> : \sum_a \sum_i \sum_k G k i * (W' a k * H' a i) = \sum_i \sum_k G k i * dotc W' H' k i.
  rewrite exchange_big /=; apply: eq_bigr => i _.
  rewrite exchange_big /=; apply: eq_bigr => k _.
  by rewrite -mulr_sumr.
rewrite sum_alphaE.
have -> : \sum_i be i = \sum_i \sum_k G k i * dotc W H k i by [].
have -> : \sum_i \sum_k G k i * (dotc W' H' k i - dotc W H k i) =
   \sum_i \sum_k G k i * dotc W' H' k i - \sum_i \sum_k G k i * dotc W H k i.
  rewrite -sumrB; apply: eq_bigr => i _; rewrite -sumrB; apply: eq_bigr => k _; ring.
ring.
Qed.

(* S + diag(eta, theta) >= 0 bounds the linear part of the cost at every feasible point *)
Lemma dual_bound (eta : 'I_K -> R) (theta : 'I_N -> R) :
  (forall x z, 0 <= q x z + \sum_k eta k * x k ^+ 2 + \sum_i theta i * z i ^+ 2) ->
  forall (W' : 'M[R]_(d,K)) (H' : 'M[R]_(d,N)), unitc W' -> unitc H' ->
  - ((\sum_k eta k + \sum_i theta i) / 2) <= \sum_i \sum_k G k i * (dotc W' H' k i - dotc W H k i).
Proof.
move=> S0 W' H' uW' uH'.
have : 0 <= \sum_a (q (fun k => W' a k) (fun i => H' a i) + \sum_k eta k * W' a k ^+ 2 + \sum_i theta i * H' a i ^+ 2).
  by apply: sumr_ge0 => a _; apply: S0.
rewrite big_split [X in 0 <= X + _]big_split /= (traceS uW' uH') !sum_unitc // -addrA.
move: (\sum_i \sum_k _) (\sum_k eta k + \sum_i theta i) => Y E YE.
rewrite ler_oppl ler_pdivl_mulr // -subr_ge0.
by rewrite (_ : E - - Y * 2 = 2 * Y + E) //; ring.
Qed.

(* 2.2, weak duality: the bound (3) of docs/theory.md, at any point, critical or not *)
Lemma duality_gap (eta : 'I_K -> R) (theta : 'I_N -> R) : convex l g ->
  (forall x z, 0 <= q x z + \sum_k eta k * x k ^+ 2 + \sum_i theta i * z i ^+ 2) ->
  forall (W' : 'M[R]_(d,K)) (H' : 'M[R]_(d,N)), unitc W' -> unitc H' ->
  total l W H - (\sum_k eta k + \sum_i theta i) / 2 <= total l W' H'.
Proof.
move=> cx S0 W' H' uW' uH'; rewrite ler_subl_addl -ler_subl_addr.
have := dual_bound S0 uW' uH'; rewrite ler_oppl => h; rewrite -ler_opp2 opprB.
rewrite -ler_oppl in h; apply: le_trans h _.
by rewrite /total -sumrB; apply: ler_sum => i _; apply: cx.
Qed.

(* S >= 0 certifies a global minimiser *)
Lemma global_of_S : convex l g -> psd g W H -> global_min (total l) W H.
Proof.
move=> cx S0 W' H' uW' uH'.
have := @duality_gap (fun=> 0) (fun=> 0) cx _ W' H' uW' uH'.
by rewrite !big1 // addr0 mul0r subr0; apply => x z; rewrite !big1 ?addr0 // => k _; rewrite mul0r.
Qed.

Lemma psd_trivial : (forall k i, G k i = 0) -> psd g W H.
Proof.
move=> G0 x z; rewrite /qS !big1 ?mulr0 ?subrr //.
- move=> i _; rewrite /beta big1 ?mul0r // => k _; by rewrite G0 mul0r.
- move=> k _; rewrite /alpha big1 ?mul0r // => i _; by rewrite G0 mul0r.
- move=> i _; apply: big1 => k _; by rewrite G0 mul0r.
Qed.

(* the Hessian along (b x^T, b z^T) *)
Lemma curv_outer b x z i : cv (Dm W H (outer b x) (outer b z)) i =
  \sum_k \sum_j Q i (scores W H i) k j *
    ((x k * bdot b H i + bdot b W k * z i) * (x j * bdot b H i + bdot b W j * z i)).
Proof.
by apply: eq_bigr => k _; apply: eq_bigr => j _; rewrite /Dm !dotc_outerl !dotc_outerr.
Qed.

Lemma hess_outer b x z : hs (outer b x) (outer b z) =
  \sum_i cv (Dm W H (outer b x) (outer b z)) i + sqn b * q x z.
Proof.
rewrite /hess /qS !mulrBr !addrA; congr (_ + _ - _ - _).
- rewrite mulrCA; congr (_ * _); rewrite mulr_sumr; apply: eq_bigr => i _.
  by rewrite mulr_sumr; apply: eq_bigr => k _; rewrite dotc_outer; ring.
- by rewrite mulr_sumr; apply: eq_bigr => k _; rewrite dotc_outer; ring.
- by rewrite mulr_sumr; apply: eq_bigr => k _; rewrite dotc_outer; ring.
Qed.

(* 2.1: out of the span of all columns the Hessian is S *)
Lemma hess_normal b x z : (forall k, bdot b W k = 0) -> (forall i, bdot b H i = 0) ->
  hs (outer b x) (outer b z) = sqn b * q x z.
Proof.
move=> bW bH; rewrite hess_outer big1 ?add0r // => i _.
rewrite curv_outer big1 // => k _; rewrite big1 // => j _.
by rewrite !bW bH !mulr0 !mul0r addr0 mulr0 mulr0.
Qed.

(* ... so a point that does not span has S >= 0 or a direction of negative curvature *)
Lemma deficient b a : b a != 0 -> (forall k, bdot b W k = 0) -> (forall i, bdot b H i = 0) ->
  psd g W H \/ neg_curv g Q W H.
Proof.
move=> ba bW bH.
have [S0|nS] := EM (forall x z, 0 <= q x z); first by left.
right; move/existsNP: nS => [x /existsNP [z /negP]]; rewrite -ltNge => qn.
exists (outer b x), (outer b z); split.
- by apply: tangent_outer => j; rewrite bW mul0r.
- by apply: tangent_outer => j; rewrite bH mul0r.
by rewrite hess_normal // pmulr_rlt0 ?(sqn_gt0 ba).
Qed.

(* moving one feature alone, along v *)
Lemma hess_one v i : hs (outer v (fun=> 0)) (outer v (delta R i)) =
  \sum_k \sum_j Q i (scores W H i) k j * (bdot v W k * bdot v W j) - be i * sqn v.
Proof.
rewrite hess_outer (bigD1 i) //= [X in _ + X + _]big1 ?addr0 => [|m /negPf mi]; last first.
  rewrite curv_outer; apply: big1 => k _; apply: big1 => j _.
  by rewrite /delta mi !mulr0 mul0r addr0 mul0r mulr0.
congr (_ + _); first rewrite curv_outer.
  by apply: eq_bigr => k _; apply: eq_bigr => j _; rewrite /delta eqxx !mulr1 !mul0r !add0r.
rewrite /qS big1 ?mulr0 => [|m _]; last by apply: big1 => k _; rewrite mul0r mulr0.
rewrite big1 => [|k _]; last by rewrite expr2 !mulr0.
by rewrite sum_delta2 subrr sub0r mulrN mulrC.
Qed.

Lemma neg_one v i : bdot v H i = 0 ->
  \sum_k \sum_j Q i (scores W H i) k j * (bdot v W k * bdot v W j) - be i * sqn v < 0 -> neg_curv g Q W H.
Proof.
move=> vH neg; exists (outer v (fun=> 0)), (outer v (delta R i)); split; last by rewrite hess_one.
  by apply: tangent_outer => j; rewrite mulr0.
apply: tangent_outer => j; rewrite /delta; case: (eqVneq j i) => [->|_]; last by rewrite mulr0.
by rewrite vH mul0r.
Qed.

Hypothesis crit : critical g W H.

(* W g_i = beta_i h_i, paired with any vector *)
Lemma bdot_Wg b i : \sum_k bdot b W k * G k i = bdot b H i * be i.
Proof.
rewrite /bdot mulr_suml; under eq_bigr do rewrite mulr_suml.
rewrite exchange_big /=; apply: eq_bigr => a _.
case: crit => _ c2; rewrite -mulrA -c2 mulr_sumr; apply: eq_bigr => k _; ring.
Qed.

(* where beta_i is not zero, h_i = W g_i / beta_i *)
Lemma H_eq a i : be i != 0 -> H a i = (\sum_k W a k * G k i) / be i.
Proof. by move=> b0; case: crit => _ ->; rewrite mulfK. Qed.

Lemma bdot_H b i : be i != 0 -> bdot b H i = (\sum_k bdot b W k * G k i) / be i.
Proof. by move=> b0; rewrite bdot_Wg mulfK. Qed.
End Duality.

(* ---- analysis: what gradient and Hessian mean ---- *)
Section Meaning.
Variables (R : realType) (d K N : nat).
Variables (l : 'I_N -> ('I_K -> R) -> R) (g : 'I_N -> ('I_K -> R) -> 'I_K -> R)
  (Q : 'I_N -> ('I_K -> R) -> 'I_K -> 'I_K -> R).
Hypotheses (h1 : chain1 l g) (h2 : chain2 g Q).
Local Notation CC2 := (@C2 R d _).
Local Notation f := (@total R d K N l).

(* at a critical point the multipliers are the radial parts of the Euclidean gradient F *)
Lemma acceleration n m (A T A2 : 'M[R]_(d,n)) (B : 'M[R]_(d,m)) (E : 'I_n -> 'I_m -> R) (c : 'I_n -> R) :
  (forall j, dotc A A2 j j = - dotc T T j j) -> (forall a j, \sum_i B a i * E j i = A a j * c j) ->
  \sum_j c j * dotc T T j j = - \sum_i \sum_j E j i * dotc A2 B j i.
Proof.
move=> acc F; rewrite exchange_big /= -sumrN; apply: eq_bigr => j _.
have -> : dotc T T j j = - dotc A A2 j j by rewrite acc opprK.
rewrite mulrN; congr (- _); rewrite /dotc mulr_sumr.
under [RHS]eq_bigr do rewrite mulr_sumr.
rewrite [RHS]exchange_big /=; apply: eq_bigr => a _.
rewrite mulrA [_ * A a j]mulrC -F mulr_suml; apply: eq_bigr => i _; ring.
Qed.

Section Curve.
Variables (W W1 : R -> 'M[R]_(d,K)) (W2 : 'M[R]_(d,K)) (H H1 : R -> 'M[R]_(d,N)) (H2 : 'M[R]_(d,N)).
Hypotheses (cW : CC2 W W1 W2) (cH : CC2 H H1 H2).

Lemma D_scores i (t : R) k :
  is_derive t (1 : R) (fun x => scores (W x) (H x) i k) (Dm (W t) (H t) (W1 t) (H1 t) k i).
Proof. exact: (D_dotc k i (cW.1 t) (cH.1 t)). Qed.

(* the derivative of the cost along a curve *)
Definition cost1 (t : R) := \sum_i \sum_k Gm g (W t) (H t) k i * Dm (W t) (H t) (W1 t) (H1 t) k i.

Lemma D_cost (t : R) : is_derive t (1 : R) (fun x => f (W x) (H x)) (cost1 t).
Proof. by apply: D_sum => i; apply: (@h1 i (fun x => scores (W x) (H x) i)) => k; apply: D_scores. Qed.

Let U := W1 0. Let V := H1 0.
(* ... and its second derivative *)
Lemma D_cost1 : is_derive (0 : R) (1 : R) cost1 (\sum_i curv Q (W 0) (H 0) (Dm (W 0) (H 0) U V) i
  + \sum_i \sum_k Gm g (W 0) (H 0) k i * (dotc W2 (H 0) k i + 2 * dotc U V k i + dotc (W 0) H2 k i)).
Proof.
have DDm k i : is_derive (0 : R) (1 : R) (fun t => Dm (W t) (H t) (W1 t) (H1 t) k i)
   (dotc W2 (H 0) k i + 2 * dotc U V k i + dotc (W 0) H2 k i).
  have a1 := @D_dotc R d K N W1 (fun=> W2) H H1 0 k i cW.2 (cH.1 0).
  have a2 := @D_dotc R d K N W W1 H1 (fun=> H2) 0 k i (cW.1 0) cH.2.
  apply: D_eq (D_add a1 a2) _; rewrite -/U -/V; ring.
have DG k i : is_derive (0 : R) (1 : R) (fun t => Gm g (W t) (H t) k i)
   (\sum_j Q i (scores (W 0) (H 0) i) k j * Dm (W 0) (H 0) U V j i).
  by apply: (@h2 i k (fun x => scores (W x) (H x) i)) => j; apply: D_scores.
apply: D_eq (D_sum (fun i => D_sum (fun k => D_mul (DG k i) (DDm k i)))) _.
rewrite -big_split /=; apply: eq_bigr => i _.
rewrite big_split /=; congr (_ + _).
apply: eq_bigr => k _; rewrite mulr_suml; apply: eq_bigr => j _; rewrite -/U -/V; ring.
Qed.

Hypotheses (uW : forall t, unitc (W t)) (uH : forall t, unitc (H t)).

(* at a critical point the second derivative along ANY curve of the product of spheres is the Hessian
   quadratic form of its velocity: formula (1) of docs/theory.md *)
Lemma D2_cost : critical g (W 0) (H 0) -> is_derive (0 : R) (1 : R) cost1 (hess g Q (W 0) (H 0) U V).
Proof.
move=> [c1 c2]; apply: D_eq D_cost1 _.
have [_ aW] := sphere_acc cW uW; have [_ aH] := sphere_acc cH uH.
rewrite /hess -!addrA; congr (_ + _).
rewrite (acceleration aW c1) (acceleration aH (E := fun i k => Gm g (W 0) (H 0) k i) c2) !opprK.
rewrite [X in _ = _ + (_ + X)]exchange_big mulr_sumr -!big_split /=; apply: eq_bigr => i _.
rewrite mulr_sumr -!big_split /=; apply: eq_bigr => k _; rewrite [dotc H2 _ _ _]dotcC; ring.
Qed.
End Curve.

Variables (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)).
Hypotheses (uW : unitc W) (uH : unitc H).
Local Notation G := (Gm g W H).
Local Notation al := (alpha g W H).
Local Notation be := (beta g W H).

Lemma D_along U V : tangent W U -> tangent H V -> forall t : R, is_derive t (1 : R) (along f W H U V)
  (cost1 (retr W U) (retr1 W U) (retr H V) (retr1 H V) t).
Proof.
by move=> tU tV t; apply: (D_cost (W2 := retr2 W U) (H2 := retr2 H V)); apply: retr_C2.
Qed.

Lemma D2_along U V : tangent W U -> tangent H V -> critical g W H ->
  is_derive (0 : R) (1 : R) (cost1 (retr W U) (retr1 W U) (retr H V) (retr1 H V)) (hess g Q W H U V).
Proof.
move=> tU tV cr.
have := @D2_cost (retr W U) (retr1 W U) (retr2 W U) (retr H V) (retr1 H V) (retr2 H V).
rewrite !retr_0 // !retr1_0 //; apply => //; by [apply: retr_C2|apply: retr_unit].
Qed.

(* the first derivative is the inner product with the Euclidean gradient (H G^T, W G) *)
Lemma cost1_0 U V : tangent W U -> tangent H V ->
  cost1 (retr W U) (retr1 W U) (retr H V) (retr1 H V) 0 =
  \sum_a (\sum_k U a k * (\sum_i H a i * G k i) + \sum_i V a i * (\sum_k W a k * G k i)).
Proof.
move=> tU tV; rewrite /cost1 !retr_0 // !retr1_0 // big_split /=.
have -> : \sum_a \sum_k U a k * (\sum_i H a i * G k i) = \sum_i \sum_k G k i * dotc U H k i.
  rewrite exchange_big [RHS]exchange_big /=; apply: eq_bigr => k _.
  under eq_bigr do rewrite mulr_sumr.
  rewrite exchange_big /=; apply: eq_bigr => i _; rewrite /dotc mulr_sumr.
  by apply: eq_bigr => a _; ring.
have -> : \sum_a \sum_i V a i * (\sum_k W a k * G k i) = \sum_i \sum_k G k i * dotc W V k i.
  rewrite exchange_big /=; apply: eq_bigr => i _.
  under eq_bigr do rewrite mulr_sumr.
  rewrite exchange_big /=; apply: eq_bigr => k _; rewrite /dotc mulr_sumr.
  by apply: eq_bigr => a _; ring.
rewrite -big_split /=; apply: eq_bigr => i _; rewrite -big_split /=; apply: eq_bigr => k _.
by rewrite /Dm mulrDr.
Qed.

(* a gradient F, its tangent part T = F - A diag(c): <T, F> = |T|^2 *)
Lemma tangent_part n (A T F : 'M[R]_(d,n)) (c : 'I_n -> R) : (forall a j, F a j = T a j + A a j * c j) ->
  tangent A T -> \sum_a \sum_j T a j * F a j = \sum_a \sum_j T a j ^+ 2.
Proof.
move=> FE tT; transitivity (\sum_a \sum_j T a j ^+ 2 + \sum_j c j * dotc A T j j); last first.
  by rewrite [X in _ + X]big1 ?addr0 // => j _; rewrite tT mulr0.
have -> : \sum_j c j * dotc A T j j = \sum_a \sum_j c j * (A a j * T a j).
  by rewrite [RHS]exchange_big /=; apply: eq_bigr => j _; rewrite -mulr_sumr.
rewrite -big_split /=; apply: eq_bigr => a _; rewrite -big_split /=; apply: eq_bigr => j _.
by rewrite FE; ring.
Qed.

Lemma tangent_proj n (A F : 'M[R]_(d,n)) (c : 'I_n -> R) : unitc A -> (forall j, c j = dotc A F j j) ->
  tangent A (\matrix_(a,j) (F a j - A a j * c j)).
Proof.
move=> uA cE j; transitivity (dotc A F j j - dotc A A j j * c j); last by rewrite uA mul1r cE subrr.
by rewrite /dotc mulr_suml -sumrB; apply: eq_bigr => a _; rewrite mxE; ring.
Qed.

Lemma critical_stationary : critical g W H -> stationary f W H.
Proof.
move=> [c1 c2] U V tU tV; apply: D_eq (D_along tU tV 0) _; rewrite cost1_0 // big_split /=.
rewrite [X in X + _](_ : _ = 0) ?add0r; last first.
  rewrite exchange_big big1 //= => k _.
  under eq_bigr do rewrite c1 mulrA [U _ _ * _]mulrC.
  by rewrite -mulr_suml -/(dotc W U k k) tU mul0r.
rewrite exchange_big big1 //= => i _.
under eq_bigr do rewrite c2 mulrA [V _ _ * _]mulrC.
by rewrite -mulr_suml -/(dotc H V i i) tV mul0r.
Qed.

(* derivative zero along every curve means that the Riemannian gradient vanishes: go along the gradient *)
Lemma stationary_critical : stationary f W H -> critical g W H.
Proof.
pose FW : 'M[R]_(d,K) := \matrix_(a,k) \sum_i H a i * G k i.
pose FH : 'M[R]_(d,N) := \matrix_(a,i) \sum_k W a k * G k i.
pose U : 'M[R]_(d,K) := \matrix_(a,k) (FW a k - W a k * al k).
pose V : 'M[R]_(d,N) := \matrix_(a,i) (FH a i - H a i * be i).
have tU : tangent W U.
  apply: tangent_proj => // k; rewrite /alpha /dotc; under [RHS]eq_bigr do rewrite mxE mulr_sumr.
  rewrite exchange_big /=; apply: eq_bigr => i _; rewrite mulr_sumr; apply: eq_bigr => a _; ring.
have tV : tangent H V.
  apply: tangent_proj => // i; rewrite /beta /dotc; under [RHS]eq_bigr do rewrite mxE mulr_sumr.
  rewrite exchange_big /=; apply: eq_bigr => k _; rewrite mulr_sumr; apply: eq_bigr => a _; ring.
move/(_ U V tU tV) => st.
have := D_unique (D_along tU tV 0) st; rewrite cost1_0 // big_split /=.
have -> : \sum_a \sum_k U a k * (\sum_i H a i * G k i) = \sum_a \sum_k U a k ^+ 2.
  rewrite -(tangent_part (F := FW) (c := al) _ tU) => [|a k]; last by rewrite [U _ _]mxE subrK.
  by apply: eq_bigr => a _; apply: eq_bigr => k _; rewrite [FW _ _]mxE.
have -> : \sum_a \sum_i V a i * (\sum_k W a k * G k i) = \sum_a \sum_i V a i ^+ 2.
  rewrite -(tangent_part (F := FH) (c := be) _ tV) => [|a i]; last by rewrite [V _ _]mxE subrK.
  by apply: eq_bigr => a _; apply: eq_bigr => i _; rewrite [FH _ _]mxE.
have sq n (T : 'M[R]_(d,n)) a : 0 <= \sum_k T a k ^+ 2 by apply: sumr_ge0 => k _; apply: sqr_ge0.
have z n (T : 'M[R]_(d,n)) : \sum_a \sum_k T a k ^+ 2 = 0 -> forall a k, T a k = 0.
  move=> e a k; have := psumr_eq0P (fun a _ => sq n T a) e (i := a) isT => ea.
  by have /eqP := psumr_eq0P (fun k _ => sqr_ge0 (T a k)) ea (i := k) isT; rewrite sqrf_eq0 => /eqP.
move/eqP; rewrite paddr_eq0; [|by apply: sumr_ge0..].
case/andP => /eqP/z zU /eqP/z zV; split=> a j.
  by move/eqP: (zU a j); rewrite [U _ _]mxE subr_eq0 [FW _ _]mxE => /eqP.
by move/eqP: (zV a j); rewrite [V _ _]mxE subr_eq0 [FH _ _]mxE => /eqP.
Qed.

(* negative curvature makes a strict saddle, and nonnegative curvature none *)
Lemma neg_curv_saddle : critical g W H -> neg_curv g Q W H -> strict_saddle f W H.
Proof.
move=> cr [U [V [tU tV neg]]]; exists U, V; split => //.
exists (cost1 (retr W U) (retr1 W U) (retr H V) (retr1 H V)), (hess g Q W H U V).
by split=> //; [apply: D_along|apply: D2_along].
Qed.

Lemma saddle_neg_curv : critical g W H -> strict_saddle f W H -> neg_curv g Q W H.
Proof.
move=> cr [U [V [tU tV [f1 [c [d1 d2 c0]]]]]]; exists U, V; split=> //.
have e : f1 = cost1 (retr W U) (retr1 W U) (retr H V) (retr1 H V).
  by apply/funext => t; apply: D_unique (d1 t) (D_along tU tV t).
by rewrite e in d2; rewrite -(D_unique d2 (D2_along tU tV cr)).
Qed.

(* a local minimiser does not rise first along any curve *)
Lemma local_min_curve U V : tangent W U -> tangent H V -> local_min f W H ->
  exists2 e : R, 0 < e & forall t, `|t| < e -> along f W H U V 0 <= along f W H U V t.
Proof.
move=> tU tV [e e0 mn].
have : \forall t \near (0 : R), close (retr W U t) W e /\ close (retr H V t) H e.
  by apply: filterI; apply: retr_close.
move/nbhs_ballP => [r /= r0 hr]; exists r => // t tr.
have [] := hr t; first by rewrite /ball /= sub0r normrN.
by move=> cW cH; rewrite /along !retr_0 //; apply: mn => //; apply: retr_unit.
Qed.

Lemma local_min_stationary : local_min f W H -> stationary f W H.
Proof.
move=> lm U V tU tV; have [e e0 mn] := local_min_curve tU tV lm.
apply: D_eq (D_along tU tV 0) _.
by apply: (fermat e0 _ (D_along tU tV 0) mn) => t; have [] := D_along tU tV t.
Qed.

Lemma saddle_not_local_min : stationary f W H -> strict_saddle f W H -> ~ local_min f W H.
Proof.
move=> st [U [V [tU tV [p1 [c [d1 d2 c0]]]]]] lm.
have [e e0 mn] := local_min_curve tU tV lm.
have p10 : p1 0 = 0 by apply: D_unique (d1 0) (st U V tU tV).
have [t /andP[t0 te] lt] := second_test d1 p10 d2 c0 e0.
by have := mn t; rewrite gtr0_norm // => /(_ te); rewrite leNgt lt.
Qed.
End Meaning.

(* ---- from algebra to landscapes ---- *)
Section Benign.
Variables (R : realType) (d K N : nat).
Variables (l : 'I_N -> ('I_K -> R) -> R) (g : 'I_N -> ('I_K -> R) -> 'I_K -> R)
  (Q : 'I_N -> ('I_K -> R) -> 'I_K -> 'I_K -> R).
Hypotheses (h1 : chain1 l g) (h2 : chain2 g Q) (cx : convex l g).
Variables (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)).
Hypotheses (uW : unitc W) (uH : unitc H).
Hypothesis dichotomy : critical g W H -> psd g W H \/ neg_curv g Q W H.

Lemma benign_at : stationary (total l) W H -> global_min (total l) W H \/ strict_saddle (total l) W H.
Proof.
move=> st; have cr := stationary_critical h1 uW uH st.
by case: (dichotomy cr) => [S0|nc]; [left; apply: global_of_S S0|right; apply: neg_curv_saddle cr nc].
Qed.

Lemma no_spurious_at : local_min (total l) W H -> global_min (total l) W H.
Proof.
move=> lm; have st := local_min_stationary h1 uW uH lm.
by have [//|ss] := benign_at st; have := saddle_not_local_min uW uH st ss lm.
Qed.
End Benign.
