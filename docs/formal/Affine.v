(* Theorem C with vanishing gradients: losses that ignore a common shift, d >= K, and classifiers that are affinely
   independent. Label smoothing above its threshold is such a loss. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.classical Require Import boolp classical_sets functions.
From mathcomp.analysis Require Import reals signed topology normedtype sequences derive realfun exp.
From mathcomp Require Import ring.
From Sphere Require Import Definitions Algebra Calculus Landscape TheoremC.
Set Implicit Arguments. Unset Strict Implicit. Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Import numFieldTopology.Exports numFieldNormedType.Exports.
Local Open Scope ring_scope.

Section Affine.
Variables (R : realType) (d K N : nat).
Variables (g : 'I_N -> ('I_K -> R) -> 'I_K -> R) (Q : 'I_N -> ('I_K -> R) -> 'I_K -> 'I_K -> R).
Variables (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)).
Hypotheses (uW : unitc W) (uH : unitc H) (crit : critical g W H) (sh : shift_inv g Q).
Local Notation G := (Gm g W H).
Local Notation al := (alpha g W H).
Local Notation be := (beta g W H).
Local Notation q := (qS g W H).

(* no combination of the classifiers with coefficients that sum to zero vanishes, but the trivial one *)
Definition affine_independent := forall c : 'I_K -> R,
  \sum_k c k = 0 -> (forall a, \sum_k W a k * c k = 0) -> forall k, c k = 0.
Hypothesis ind : affine_independent.

(* where beta_i is zero, so is g_i *)
Lemma affine_G0 i : be i = 0 -> forall k, G k i = 0.
Proof.
move=> b0; apply: ind => [|a]; first exact: (G_sum0 W H sh i).
by case: crit => _ ->; rewrite b0 mulr0.
Qed.

(* every vector of R^K is W^T p + c0 (1, ..., 1) *)
Lemma affine_span (x : 'I_K -> R) : exists (p : 'I_d -> R) (c0 : R), forall k, x k = bdot p W k + c0.
Proof.
pose B : 'M[R]_(d + 1,K) := col_mx W (const_mx 1).
have rB : row_full B.
  rewrite /row_full -mxrank_tr -/(row_free B^T) -kermx_eq0; apply/rowV0P => v /sub_kermxP vB.
  have e a : \sum_k B a k * v 0 k = 0.
    have : (v *m B^T) 0 a = 0 by rewrite vB mxE.
    by rewrite mxE => e0; rewrite -[RHS]e0; apply: eq_bigr => k _; rewrite [B^T _ _]mxE mulrC.
  apply/rowP => k; rewrite mxE; apply: (ind (c := fun k => v 0 k)) => [|a].
    by rewrite -[RHS](e (rshift d ord0)); apply: eq_bigr => j _; rewrite col_mxEd mxE mul1r.
  by rewrite -[RHS](e (lshift 1 a)); apply: eq_bigr => j _; rewrite col_mxEu.
have /submxP [m e] := submx_full (\row_k x k) rB.
exists (fun a => m 0 (lshift 1 a)), (m 0 (rshift d ord0)) => k.
have : (m *m B) 0 k = x k by rewrite -e mxE.
rewrite mxE big_split_ord big_ord1 /= => e1; rewrite -[LHS]e1.
by rewrite col_mxEd mxE mulr1; congr (_ + _); apply: eq_bigr => a _; rewrite col_mxEu.
Qed.

(* the classifiers do not span: b is orthogonal to them *)
Section Deficient.
Variables (b : 'I_d -> R) (a0 : 'I_d).
Hypotheses (ba : b a0 != 0) (bW : forall k, bdot b W k = 0).
Variables (x : 'I_K -> R) (z : 'I_N -> R) (p : 'I_d -> R) (c0 : R).
Hypothesis xE : forall k, x k = bdot p W k + c0.

(* features with a part along b have beta_i = 0; they turn so that their logits only shift *)
Let out i := bdot b H i != 0.
Let U : 'M[R]_(d,K) := outer b x.
Let V : 'M[R]_(d,N) := \matrix_(a,i) (if out i then bdot p H i * b a - bdot b H i * p a else b a * z i).

Lemma out_beta0 i : out i -> be i = 0.
Proof.
move=> oi; apply: (mulfI oi); rewrite -(bdot_Wg crit) mulr0.
by apply: big1 => k _; rewrite bW mul0r.
Qed.

Lemma sum_two n (A : 'M[R]_(d,n)) j (u v : 'I_d -> R) (P B : R) :
  \sum_a A a j * (P * u a - B * v a) = P * bdot u A j - B * bdot v A j.
Proof. by rewrite /bdot !mulr_sumr -sumrB; apply: eq_bigr => a _; ring. Qed.

Lemma affine_tangent : tangent H V.
Proof.
move=> i; rewrite /dotc; case: (boolP (out i)) => oi.
  by under eq_bigr do rewrite mxE oi; rewrite sum_two mulrC subrr.
under eq_bigr do rewrite mxE (negPf oi).
transitivity (bdot b H i * z i); last by move/negPn/eqP: oi => ->; rewrite mul0r.
by rewrite /bdot mulr_suml; apply: eq_bigr => a _; ring.
Qed.

(* <w_k, v_i> *)
Lemma affine_WV k i : dotc W V k i = if out i then - (bdot b H i * bdot p W k) else 0.
Proof.
rewrite /dotc; case: (boolP (out i)) => oi.
  by under eq_bigr do rewrite mxE oi; rewrite sum_two bW mulr0 sub0r.
under eq_bigr do rewrite mxE (negPf oi).
transitivity (bdot b W k * z i); last by rewrite bW mul0r.
by rewrite /bdot mulr_suml; apply: eq_bigr => a _; ring.
Qed.

(* the logits of sample i shift by one number, so there is no loss curvature *)
Lemma affine_curv i : curv Q W H (Dm W H U V) i = 0.
Proof.
have D k : Dm W H U V k i = bdot b H i * (if out i then c0 else 0).
  rewrite /Dm dotc_outerl affine_WV xE; case: ifP => oi; first by ring.
  by move/negbFE/eqP: oi => ->; rewrite !mulr0 addr0.
rewrite /curv; set s := bdot b H i * _ in D.
under eq_bigr do under eq_bigr do rewrite !D.
by apply: big1 => k _; rewrite -mulr_suml; case: sh => _ Q1 _; rewrite Q1 mul0r.
Qed.

Lemma affine_hess : hess g Q W H U V = sqn b * q x z.
Proof.
have bb : \sum_a b a * b a = sqn b by apply: eq_bigr => a _; rewrite expr2.
have e1 k i : G k i * dotc U V k i = sqn b * (G k i * (x k * z i)).
  case: (boolP (out i)) => oi; first by rewrite (affine_G0 (out_beta0 oi)) !mul0r mulr0.
  have -> : dotc U V k i = sqn b * (x k * z i); last by ring.
  by rewrite -bb mulr_suml; apply: eq_bigr => a _; rewrite !mxE (negPf oi); ring.
have e2 i : be i * dotc V V i i = sqn b * (be i * z i ^+ 2).
  case: (boolP (out i)) => oi; first by rewrite (out_beta0 oi) !mul0r mulr0.
  have -> : dotc V V i i = sqn b * z i ^+ 2; last by ring.
  by rewrite -bb mulr_suml; apply: eq_bigr => a _; rewrite !mxE (negPf oi); ring.
have e3 k : al k * dotc U U k k = sqn b * (al k * x k ^+ 2) by rewrite dotc_outer; ring.
rewrite /hess big1 ?add0r => [|i _]; last exact: affine_curv.
under eq_bigr do under eq_bigr do rewrite e1.
under [X in _ - X - _]eq_bigr do rewrite e3.
under [X in _ - X]eq_bigr do rewrite e2.
rewrite /qS; under eq_bigr do rewrite -mulr_sumr.
by rewrite -!mulr_sumr !mulrBr mulrCA.
Qed.
End Deficient.

Lemma dichotomy_affine : (K <= d)%N -> psd g W H \/ neg_curv g Q W H.
Proof.
move=> dK; case: (ltnP (\rank W) d) => [rW|rW].
  have [b [[a ba] bW]] := exists_orth rW.
  have [S0|nS] := EM (forall x z, 0 <= q x z); first by left.
  right; move/existsNP: nS => [x /existsNP [z /negP]]; rewrite -ltNge => qn.
  have [p [c0 xE]] := affine_span x.
  exists (outer b x), (\matrix_(a,i) (if bdot b H i != 0 then bdot p H i * b a - bdot b H i * p a else b a * z i)).
  split; [by apply: tangent_outer => k; rewrite bW mul0r|exact: affine_tangent|].
  by rewrite (affine_hess bW z xE) pmulr_rlt0 ?(sqn_gt0 ba).
have fW : row_full W by rewrite -col_leq_rank; apply: leq_trans rW.
have [[i [k Gk]]|nG] := EM (exists i k, G k i != 0).
  by right; apply: (caseB_full crit sh affine_G0 Gk fW).
by left; apply: psd_trivial => k i; apply/eqP/negPn/negP => Gk; apply: nG; exists i, k.
Qed.
End Affine.
