(* Theorem S: cross-entropy, d >= max(K, 3), any temperatures, offsets, labels and positive weights; and the collapsed
   classifiers, which are strict saddles for every K once d >= 3. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.classical Require Import boolp classical_sets functions.
From mathcomp.analysis Require Import reals signed topology normedtype sequences derive realfun exp.
From mathcomp Require Import ring.
From Sphere Require Import Definitions Algebra Calculus Landscape TheoremC CrossEntropy.
Set Implicit Arguments. Unset Strict Implicit. Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Import numFieldTopology.Exports numFieldNormedType.Exports.
Local Open Scope ring_scope.

Section Collapsed.
Variables (R : realType) (d K N : nat) (y : 'I_N -> 'I_K).
Variables (tau : 'I_N -> R) (off : 'I_K -> 'I_N -> R) (om : 'I_N -> R).
Hypotheses (tau0 : forall i, 0 < tau i) (om0 : forall i, 0 < om i).
Variables (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)).
Hypothesis uW : unitc W.
Local Notation g := (soft_grad (onehot R y) tau off om).
Local Notation Q := (soft_hess tau off om).
Local Notation G := (Gm g W H).
Local Notation be := (beta g W H).

Lemma CE_sum0 i : \sum_k G k i = 0.
Proof. exact: (G_sum0 W H (soft_shift tau off om y (onehot_sum1 R y)) i). Qed.

Lemma CE_gt0 k i : k != y i -> 0 < G k i. Proof. exact: grad_gt0. Qed.

(* all classifiers equal: every beta_i is zero *)
Lemma collapsed_beta0 i : (forall k a, W a k = W a (y i)) -> be i = 0.
Proof.
move=> cl; transitivity (\sum_k G k i * dotc W H (y i) i); last by rewrite -mulr_suml CE_sum0 mul0r.
by apply: eq_bigr => k _; congr (_ * _); apply: eq_bigr => a _; rewrite cl.
Qed.

Hypothesis crit : critical g W H.

(* Case A of Theorem S: if beta_i = 0, w_y is an average of the others, so all classifiers are one vector *)
Lemma beta0_collapsed i : be i = 0 -> forall k a, W a k = W a (y i).
Proof.
move=> b0.
have h : \sum_k G k i * (1 - dotc W W k (y i)) = 0.
  have e : \sum_k G k i * dotc W W k (y i) = bdot (fun a => W a (y i)) H i * be i.
    rewrite -(bdot_Wg crit); apply: eq_bigr => k _; rewrite mulrC; congr (_ * _).
    by apply: eq_bigr => a _; rewrite mulrC.
  under eq_bigr do rewrite mulrBr mulr1.
  by rewrite sumrB CE_sum0 sub0r e b0 mulr0 oppr0.
have nn k : 0 <= G k i * (1 - dotc W W k (y i)).
  case: (eqVneq k (y i)) => [->|hk]; first by rewrite uW subrr mulr0.
  by rewrite mulr_ge0 ?subr_ge0 ?dotc_le1 // ltW // CE_gt0.
move=> k a; case: (eqVneq k (y i)) => [->//|hk]; apply: (unit_eq uW).
have := psumr_eq0P (fun k _ => nn k) h (i:=k) isT.
by move/eqP; rewrite mulf_eq0 gt_eqF ?CE_gt0 //= subr_eq0 => /eqP <-.
Qed.

(* Lemma 10 of docs/proofs.md: collapsed classifiers have a direction of negative curvature *)
Lemma collapsed_neg_curv i : (2 < d)%N -> (1 < K)%N -> (forall k a, W a k = W a (y i)) -> neg_curv g Q W H.
Proof.
move=> d3 K1 cl; have [k ky Gk] := grad_neq0 y off tau0 om0 i (scores W H i) K1.
have [b [[a ba] bW bH]] := exists_orth2 W H (y i) i d3.
apply: (turn_off Q uW (collapsed_beta0 cl) (lt0r_neq0 Gk) ba bH) => j.
by rewrite -bW; apply: eq_bigr => c _; rewrite cl.
Qed.
End Collapsed.

Section TheoremS.
Variables (R : realType) (d K N : nat) (y : 'I_N -> 'I_K).
Variables (tau : 'I_N -> R) (off : 'I_K -> 'I_N -> R) (om : 'I_N -> R).
Hypotheses (tau0 : forall i, 0 < tau i) (om0 : forall i, 0 < om i).
Variables (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)).
Hypotheses (uW : unitc W).
Local Notation g := (soft_grad (onehot R y) tau off om).
Local Notation Q := (soft_hess tau off om).
Hypothesis crit : critical g W H.

Lemma dichotomy_S : (K <= d)%N -> (2 < d)%N -> psd g W H \/ neg_curv g Q W H.
Proof.
move=> dK d3; case: (ltnP 1 K) => K1; last first.
  by left; apply: psd_trivial => k i; apply: grad_one_class.
apply: dichotomy_C_shift => //; last by apply: soft_shift; [exact: y|exact: onehot_sum1].
by move=> i; have [k _ Gk] := grad_neq0 y off tau0 om0 i (scores W H i) K1; exists k; rewrite gt_eqF.
Qed.
End TheoremS.
