(* Theorem S with a bias: logits tau <w_k, h_i> + b_k, and b in R^K is minimised over too. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.classical Require Import boolp classical_sets functions.
From mathcomp.analysis Require Import reals signed topology normedtype sequences derive realfun exp.
From mathcomp Require Import ring.
From Sphere Require Import Definitions Algebra Calculus Landscape CrossEntropy TheoremS.
Set Implicit Arguments. Unset Strict Implicit. Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Import numFieldTopology.Exports numFieldNormedType.Exports.
Local Open Scope ring_scope.

Section Bias.
Variables (R : realType) (d K N : nat) (y : 'I_N -> 'I_K).
Variables (tau : 'I_N -> R) (off : 'I_K -> 'I_N -> R) (om : 'I_N -> R).
Hypotheses (tau0 : forall i, 0 < tau i) (om0 : forall i, 0 < om i).
Variables (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)) (b : 'I_K -> R).
Hypotheses (uW : unitc W) (uH : unitc H).
Local Notation g := (soft_grad (onehot R y) tau (biased off b) om).
Local Notation Q := (soft_hess tau (biased off b) om).
Local Notation G := (Gm g W H).
Local Notation f := (cost_bias y tau off om).

(* derivative of the cost by the bias, at every point of a line *)
Lemma D_bias (c : 'I_K -> R) (t : R) :
  exists l, is_derive t (1 : R) (fun t : R => f W H (fun k => b k + t * c k)) l
  /\ (t = 0 -> l = \sum_i \sum_k G k i / tau i * c k).
Proof.
pose z i k (t : R) := logit tau (biased off (fun k => b k + t * c k)) W H k i.
have dz i k : is_derive t (1 : R) (z i k) (c k).
  have h := D_add (D_const t (tau i * dotc W H k i))
     (D_add (D_const t (off k i)) (D_add (D_const t (b k)) (D_mul (D_id t) (D_const t (c k))))).
  by apply: D_eq h _; rewrite mulr0 mul1r !add0r addr0.
have h := D_sum (fun i => D_scale (om i) (D_sub (D_lse (y i) (dz i)) (dz i (y i)))).
eexists; split; first exact: h.
move=> t0; apply: eq_bigr => i _; rewrite t0.
rewrite -(sum_delta (y i) (fun k => c k)) -sumrB mulr_sumr; apply: eq_bigr => k _.
have ez l : z i l 0 = lg tau (biased off b) i (scores W H i) l.
  by rewrite /z /logit /lg /biased mul0r addr0.
rewrite /Gm /soft_grad /prob ez; under eq_bigr do rewrite ez.
rewrite /onehot /delta; set S := \sum_k _; field.
by rewrite !gt_eqF //; apply: (sum_gt0 (y i)) => l; apply: expR_gt0.
Qed.

(* stationary in the bias: the rows of G / tau sum to zero *)
Lemma stationary_rows : (forall c : 'I_K -> R,
   is_derive (0 : R) (1 : R) (fun t : R => f W H (fun k => b k + t * c k)) (0 : R)) ->
  forall k, \sum_i G k i / tau i = 0.
Proof.
move=> st k; have [l [dl /(_ erefl) le]] := D_bias (delta R k) 0.
have := D_unique dl (st (delta R k)); rewrite le => e; rewrite -[RHS]e; apply: eq_bigr => i _.
by rewrite (sum_delta k (fun l => G l i / tau i)).
Qed.

Lemma global_of_S_bias : psd g W H -> (forall k, \sum_i G k i / tau i = 0) ->
  global_min_bias y tau off om W H b.
Proof.
move=> S0 g0 W' H' b' uW' uH'; rewrite /cost_bias !cost_total -subr_ge0 /total -sumrB.
have gb : \sum_i (\sum_k G k i * (dotc W' H' k i - dotc W H k i) + \sum_k G k i / tau i * (b' k - b k)) <=
   \sum_i (soft_loss (onehot R y) tau (biased off b') om i (scores W' H' i)
     - soft_loss (onehot R y) tau (biased off b) om i (scores W H i)).
  apply: ler_sum => i _.
  have := soft_gibbs (onehot R y) tau0 y om0 (biased off b) (biased off b') i (scores W H i) (scores W' H' i).
  have -> : \sum_k soft_grad (onehot R y) tau (biased off b) om i (scores W H i) k / tau i *
    (biased off b' k i - biased off b k i) = \sum_k G k i / tau i * (b' k - b k); last by [].
  by apply: eq_bigr => k _; rewrite /biased; congr (_ * _); ring.
apply: le_trans gb; rewrite big_split /= [X in _ + X](_ : _ = 0) ?addr0; last first.
  rewrite exchange_big big1 //= => k _.
  transitivity ((\sum_i G k i / tau i) * (b' k - b k)); last by rewrite g0 mul0r.
  by rewrite mulr_suml.
have z0 n (x : 'I_n -> R) : \sum_k (0 : R) * x k ^+ 2 = 0 by apply: big1 => k _; rewrite mul0r.
have S0' x z : 0 <= qS g W H x z + \sum_k 0 * x k ^+ 2 + \sum_i 0 * z i ^+ 2.
  by rewrite !z0 !addr0.
have := @dual_bound R d K N g W H (fun=> 0) (fun=> 0) S0' W' H' uW' uH'.
by rewrite [X in - X](_ : _ = 0) ?oppr0 // !sumr_const !mul0rn addr0 mul0r.
Qed.

Hypotheses (dK : (K <= d)%N) (d3 : (2 < d)%N).

Lemma benign_bias_at : stationary_bias y tau off om W H b ->
  global_min_bias y tau off om W H b \/ strict_saddle (cost y tau (biased off b) om) W H.
Proof.
move=> [st sb]; rewrite cost_totalE in st *.
have h1 := soft_chain1 (onehot R y) tau (biased off b) om y.
have cr := stationary_critical h1 uW uH st.
case: (dichotomy_S tau0 om0 uW cr dK d3) => [S0|nc].
  by left; apply: global_of_S_bias => //; apply: stationary_rows.
by right; apply: (neg_curv_saddle h1 (soft_chain2 (onehot R y) tau (biased off b) om y) uW uH cr nc).
Qed.

(* a local minimiser over (W, H, b) is stationary in each *)
Lemma local_min_stationary_bias : local_min_bias y tau off om W H b -> stationary_bias y tau off om W H b.
Proof.
move=> [e e0 mn]; split.
  rewrite cost_totalE; apply: (local_min_stationary (soft_chain1 (onehot R y) tau (biased off b) om y) uW uH).
  rewrite -cost_totalE; exists e => // W' H' uW' uH' cW cH; apply: mn => // k; by rewrite subrr normr0.
move=> c; have [l [dl _]] := D_bias c 0; apply: D_eq (dl) _.
pose M := \sum_k `|c k| + 1.
have M0 : 0 < M by apply: ltr_paddl => //; apply: sumr_ge0 => k _; apply: normr_ge0.
apply: (@fermat _ _ l (e / M) _ _ dl); first exact: divr_gt0.
  by move=> t; have [l' [[]]] := D_bias c t.
move=> t ht; rewrite (_ : (fun k => b k + 0 * c k) = b); last by apply/funext => k; rewrite mul0r addr0.
apply: mn => //; [by move=> a k; rewrite subrr normr0..|].
move=> k; rewrite addrAC subrr add0r normrM.
apply: (@le_lt_trans _ _ (`|t| * M)); last by rewrite -ltr_pdivl_mulr.
rewrite ler_wpmul2l // /M (bigD1 k) //= -addrA ler_addl addr_ge0 //.
by apply: sumr_ge0 => j _; apply: normr_ge0.
Qed.

Lemma no_spurious_bias_at : local_min_bias y tau off om W H b -> global_min_bias y tau off om W H b.
Proof.
move=> lmb; have sb := local_min_stationary_bias lmb.
case: (benign_bias_at sb) => // ss; case: sb => st _; case: lmb => e e0 mn.
have lm : local_min (cost y tau (biased off b) om) W H.
  exists e => // W' H' uW' uH' cW cH; apply: mn => // k; by rewrite subrr normr0.
by rewrite cost_totalE in ss st lm; have := saddle_not_local_min uW uH st ss lm.
Qed.
End Bias.
