(* Columns, outer products and sums: no losses yet. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.classical Require Import boolp classical_sets functions.
From mathcomp.analysis Require Import reals signed topology normedtype sequences derive realfun exp.
From mathcomp Require Import ring.
From Sphere Require Import Definitions.
Set Implicit Arguments. Unset Strict Implicit. Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Import numFieldTopology.Exports numFieldNormedType.Exports.
Local Open Scope ring_scope.

(* a sum over classes of positive terms is positive, given one class *)
Lemma sum_gt0 (R : realType) (n : nat) (F : 'I_n -> R) (k0 : 'I_n) : (forall k, 0 < F k) -> 0 < \sum_k F k.
Proof.
move=> F0; rewrite (bigD1 k0) //=; apply: ltr_paddr => //.
by apply: sumr_ge0 => k _; apply: ltW.
Qed.

Section Generic.
Variables (R : realType) (d : nat).

(* the matrix b x^T: every direction of descent used in the proofs is made of such *)
Definition outer n (b : 'I_d -> R) (x : 'I_n -> R) : 'M[R]_(d,n) := \matrix_(a,k) (b a * x k).
(* <b, column j of A> *)
Definition bdot n (b : 'I_d -> R) (A : 'M[R]_(d,n)) j := \sum_a b a * A a j.
(* |b|^2 *)
Definition sqn (b : 'I_d -> R) := \sum_a b a ^+ 2.
(* coordinate vector: delta i j = 1 if j = i, else 0 *)
Definition delta n (i j : 'I_n) : R := (j == i)%:R.

Lemma sqn_gt0 b a0 : b a0 != 0 -> 0 < sqn b.
Proof.
move=> h; rewrite /sqn (bigD1 a0) //=; apply: ltr_paddr.
  by apply: sumr_ge0 => a _; apply: sqr_ge0.
by rewrite lt_neqAle sqr_ge0 eq_sym sqrf_eq0 h.
Qed.

Lemma dotcC n p (A : 'M[R]_(d,n)) (B : 'M[R]_(d,p)) i j : dotc A B i j = dotc B A j i.
Proof. by apply: eq_bigr => a _; rewrite mulrC. Qed.

Lemma dotc_ge0 n (A : 'M[R]_(d,n)) j : 0 <= dotc A A j j.
Proof. by apply: sumr_ge0 => a _; rewrite -expr2 sqr_ge0. Qed.

Lemma dotc_outer n p b (x : 'I_n -> R) (z : 'I_p -> R) k i :
  dotc (outer b x) (outer b z) k i = sqn b * (x k * z i).
Proof. by rewrite /dotc /sqn mulr_suml; apply: eq_bigr => a _; rewrite !mxE; ring. Qed.

Lemma dotc_outerl n p b (x : 'I_n -> R) (A : 'M[R]_(d,p)) k i :
  dotc (outer b x) A k i = x k * bdot b A i.
Proof. by rewrite /dotc /bdot mulr_sumr; apply: eq_bigr => a _; rewrite !mxE; ring. Qed.

Lemma dotc_outerr n p b (x : 'I_n -> R) (A : 'M[R]_(d,p)) k i :
  dotc A (outer b x) k i = bdot b A k * x i.
Proof. by rewrite /dotc /bdot mulr_suml; apply: eq_bigr => a _; rewrite !mxE; ring. Qed.

Lemma sum_delta n (i : 'I_n) (F : 'I_n -> R) : \sum_j F j * delta i j = F i.
Proof.
rewrite (bigD1 i) //= /delta eqxx mulr1 big1 ?addr0 // => j /negPf ->.
by rewrite mulr0.
Qed.

Lemma sum_delta2 n (i : 'I_n) (F : 'I_n -> R) : \sum_j F j * delta i j ^+ 2 = F i.
Proof.
rewrite -[RHS](sum_delta i F); apply: eq_bigr => j _; congr (_ * _).
by rewrite /delta; case: (_ == _); rewrite ?expr1n // expr0n.
Qed.

Lemma tangent_outer n (A : 'M[R]_(d,n)) b x : (forall j, bdot b A j * x j = 0) -> tangent A (outer b x).
Proof. by move=> h j; rewrite dotc_outerr h. Qed.

(* columns that do not span leave a direction orthogonal to them all *)
Lemma exists_orth n (A : 'M[R]_(d,n)) : (\rank A < d)%N ->
  exists b : 'I_d -> R, (exists a, b a != 0) /\ forall j, bdot b A j = 0.
Proof.
move=> rA; have : kermx A != 0.
  by rewrite -mxrank_eq0 mxrank_ker -lt0n subn_gt0.
case/rowV0Pn => v /sub_kermxP vA /rV0Pn [a va].
exists (fun a => v 0 a); split; first by exists a.
by move=> j; move/matrixP/(_ 0 j): vA; rewrite !mxE.
Qed.

(* the same for two vectors in three dimensions *)
Lemma exists_orth2 n p (A : 'M[R]_(d,n)) (B : 'M[R]_(d,p)) j k : (2 < d)%N ->
  exists b : 'I_d -> R, [/\ (exists a, b a != 0), bdot b A j = 0 & bdot b B k = 0].
Proof.
move=> d3; have [b [b0 bj]] : exists b : 'I_d -> R, (exists a, b a != 0) /\
   forall i, bdot b (row_mx (col j A) (col k B)) i = 0.
  by apply: exists_orth; apply: leq_ltn_trans (rank_leq_col _) _.
exists b; split=> //.
  by rewrite -(bj (lshift 1 ord0)); apply: eq_bigr => c _; rewrite row_mxEl !mxE.
by rewrite -(bj (rshift 1 ord0)); apply: eq_bigr => c _; rewrite row_mxEr !mxE.
Qed.

(* a combination of independent columns that vanishes has zero coefficients *)
Lemma full_inj n (A : 'M[R]_(d,n)) (c : 'I_n -> R) : row_full A -> (forall a, \sum_k A a k * c k = 0) ->
  forall k, c k = 0.
Proof.
move=> fA h k.
have : A *m (\col_k c k) = A *m 0.
  apply/matrixP => a j; rewrite mulmx0 !mxE -[RHS](h a); by apply: eq_bigr => l _; rewrite !mxE.
by move/(row_full_inj fA)/matrixP/(_ k 0); rewrite !mxE.
Qed.

(* dependent columns have a smaller rank *)
Lemma rank_ker n (A : 'M[R]_(d,n)) (c : 'I_n -> R) j : c j != 0 ->
  (forall a, \sum_k A a k * c k = 0) -> (\rank A < n)%N.
Proof.
move=> cj Ac; rewrite -mxrank_tr ltn_neqAle rank_leq_row andbT; apply/negP => f.
have : (\row_k c k) *m A^T == 0.
  by apply/eqP/rowP => a; rewrite !mxE -[RHS](Ac a); apply: eq_bigr => k _; rewrite !mxE mulrC.
rewrite mulmx_free_eq0 // => /eqP/rowP/(_ j); rewrite !mxE => c0.
by rewrite c0 eqxx in cj.
Qed.

(* |W_k - W_l|^2 for unit columns *)
Lemma sqn_sub n (W : 'M[R]_(d,n)) k l : unitc W ->
  sqn (fun a => W a k - W a l) = 2 * (1 - dotc W W k l).
Proof.
move=> uW; have -> : sqn (fun a => W a k - W a l) = dotc W W k k - 2 * dotc W W k l + dotc W W l l.
  rewrite /sqn /dotc mulr_sumr -sumrB -big_split /=; apply: eq_bigr => c _; ring.
by rewrite !uW; ring.
Qed.

(* unit vectors with inner product 1 are equal *)
Lemma unit_eq n (W : 'M[R]_(d,n)) k l : unitc W -> dotc W W k l = 1 ->
  forall a, W a k = W a l.
Proof.
move=> uW e a; apply/eqP; rewrite -subr_eq0.
case: (eqVneq (W a k - W a l) 0) => // ne.
by have := @sqn_gt0 (fun a => W a k - W a l) a ne; rewrite sqn_sub // e subrr mulr0 ltxx.
Qed.

(* inner products of unit vectors lie between -1 and 1 *)
Lemma dotc_le1 n p (A : 'M[R]_(d,n)) (B : 'M[R]_(d,p)) i j : unitc A -> unitc B -> dotc A B i j <= 1.
Proof.
move=> uA uB; rewrite -subr_ge0 -(@pmulr_rge0 _ 2) //.
have -> : 2 * (1 - dotc A B i j) = sqn (fun a => A a i - B a j).
  transitivity (dotc A A i i - 2 * dotc A B i j + dotc B B j j); first by rewrite uA uB; ring.
  by rewrite /sqn /dotc mulr_sumr -sumrB -big_split /=; apply: eq_bigr => c _; ring.
by apply: sumr_ge0 => a _; apply: sqr_ge0.
Qed.

Lemma dotc_geN1 n p (A : 'M[R]_(d,n)) (B : 'M[R]_(d,p)) i j : unitc A -> unitc B -> -1 <= dotc A B i j.
Proof.
move=> uA uB; rewrite -subr_ge0 opprK -(@pmulr_rge0 _ 2) //.
have -> : 2 * (dotc A B i j + 1) = sqn (fun a => A a i + B a j).
  transitivity (dotc A A i i + 2 * dotc A B i j + dotc B B j j); first by rewrite uA uB; ring.
  by rewrite /sqn /dotc mulr_sumr -!big_split /=; apply: eq_bigr => c _; ring.
by apply: sumr_ge0 => a _; apply: sqr_ge0.
Qed.
End Generic.

Section Squares.
Variables (R : realType) (n : nat).
Implicit Types (A B : 'I_n -> R) (c : R).
Lemma sum_sqD A B c : \sum_a (A a + c * B a) ^+ 2 =
  \sum_a A a ^+ 2 + 2 * c * (\sum_a A a * B a) + c ^+ 2 * \sum_a B a ^+ 2.
Proof. by rewrite !mulr_sumr -!big_split /=; apply: eq_bigr => a _; ring. Qed.
Lemma sum_varE A B c : \sum_k A k * (B k - c) ^+ 2 =
  \sum_k A k * B k ^+ 2 - 2 * c * (\sum_k A k * B k) + c ^+ 2 * \sum_k A k.
Proof. by rewrite !mulr_sumr -sumrB -big_split /=; apply: eq_bigr => a _; ring. Qed.
(* a variance is not negative *)
Lemma variance_ge0 (p x : 'I_n -> R) : (forall k, 0 <= p k) -> \sum_k p k = 1 ->
  0 <= \sum_k p k * x k ^+ 2 - (\sum_k p k * x k) ^+ 2.
Proof.
move=> p0 p1; set m := \sum_k p k * x k.
have <- : \sum_k p k * (x k - m) ^+ 2 = \sum_k p k * x k ^+ 2 - m ^+ 2 by rewrite sum_varE p1 -/m; ring.
by apply: sumr_ge0 => k _; rewrite mulr_ge0 ?sqr_ge0.
Qed.
End Squares.
