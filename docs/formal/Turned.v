(* A sample at the antipode of its classifier, in a simplex frame: the form that decides whether the other classifiers hold
   it there. docs/theory.md, "Below d = K". *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.classical Require Import boolp classical_sets functions.
From mathcomp.analysis Require Import reals signed topology normedtype sequences derive realfun exp.
From mathcomp Require Import ring.
From Sphere Require Import Definitions Algebra Calculus Landscape CrossEntropy Collapse Losses Balanced BalancedLosses.
Set Implicit Arguments. Unset Strict Implicit. Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Import numFieldTopology.Exports numFieldNormedType.Exports.
Local Open Scope ring_scope.

(* ---- simplex frames ---- *)
Section Frame.
Variables (R : realType) (d K : nat) (W : 'M[R]_(d,K)).
Hypotheses (K2 : (1 < K)%N) (sW : simplex W).
Let K0 : (0 : R) < K%:R := K0 R K2.
Let K1 : (0 : R) < K%:R - 1 := K1 R K2.
Let KN : K%:R != 0 :> R. Proof. by rewrite gt_eqF. Qed.
Let KN1 : K%:R - 1 != 0 :> R. Proof. by rewrite gt_eqF. Qed.

Lemma simplex_sum_gram k : \sum_l dotc W W k l = 0.
Proof.
under eq_bigr do rewrite sW eq_sym; rewrite -mulr_sumr sumrB (sum_const K).
have := sum_delta k (fun=> 1 : R); rewrite /delta; under eq_bigr do rewrite mul1r.
by move=> ->; rewrite divff // subrr mulr0.
Qed.

(* the columns sum to zero *)
Lemma simplex_sum a : \sum_k W a k = 0.
Proof.
have z : \sum_a (\sum_k W a k) ^+ 2 = 0.
  transitivity (\sum_k \sum_l dotc W W k l); last by apply: big1 => k _; apply: simplex_sum_gram.
  rewrite exchange_big /= /dotc; under [RHS]eq_bigr do rewrite exchange_big.
  rewrite [RHS]exchange_big /=; apply: eq_bigr => b _; rewrite expr2 mulr_sumr; apply: eq_bigr => k _.
  by rewrite mulr_suml.
by have /eqP := psumr_eq0P (fun a _ => sqr_ge0 (\sum_k W a k)) z (i := a) isT; rewrite sqrf_eq0 => /eqP.
Qed.

(* in dimension K - 1 it is a tight frame *)
Let c : R := K%:R / (K%:R - 1).
Let A a b := \sum_k W a k * W b k.

Lemma frame_gram : \sum_a \sum_b A a b ^+ 2 = c ^+ 2 * (K%:R - 1).
Proof.
transitivity (\sum_k \sum_l dotc W W k l ^+ 2).
  transitivity (\sum_a \sum_b \sum_k \sum_l (W a k * W a l) * (W b k * W b l)).
    apply: eq_bigr => a _; apply: eq_bigr => b _; rewrite expr2 /A mulr_suml; apply: eq_bigr => k _.
    by rewrite mulr_sumr; apply: eq_bigr => l _; ring.
  under eq_bigr do rewrite exchange_big; rewrite exchange_big /=; apply: eq_bigr => k _.
  under eq_bigr do rewrite exchange_big; rewrite exchange_big /=; apply: eq_bigr => l _.
  by rewrite expr2 /dotc mulr_suml; apply: eq_bigr => a _; rewrite mulr_sumr.
have e k : \sum_l dotc W W k l ^+ 2 = c ^+ 2 * (1 - (K%:R)^-1).
  transitivity (c ^+ 2 * (\sum_l ((1 - 2 / K%:R) * delta R k l + (K%:R)^-1 ^+ 2))); last first.
    rewrite big_split (sum_const K) /= (sum_delta k (fun=> 1 - 2 / K%:R)); congr (_ * _).
    by field.
  rewrite mulr_sumr; apply: eq_bigr => l _; rewrite sW -/c /delta eq_sym.
  by case: eqP => _; rewrite ?mulr1n ?mulr0n; field.
by under eq_bigr do rewrite e; rewrite (sum_const K); field; rewrite KN.
Qed.

Lemma simplex_tight (v : 'I_d -> R) : K = d.+1 -> \sum_k bdot v W k ^+ 2 = c * sqn v.
Proof.
move=> Kd; have dE : d%:R = K%:R - 1 :> R by rewrite Kd -addn1 natrD addrK.
have c1 : c * (K%:R - 1) = K%:R by rewrite /c divfK.
have z : \sum_a \sum_b (A a b - c * delta R a b) ^+ 2 = 0.
  transitivity (\sum_a \sum_b A a b ^+ 2 - 2 * c * (\sum_a A a a) + \sum_(a < d) c ^+ 2); last first.
    rewrite frame_gram sumr_const card_ord -(mulr_natl (c ^+ 2) d) dE.
    have -> : \sum_a A a a = K%:R.
      rewrite exchange_big /= -[RHS](mulr1 K%:R) -(sum_const K); apply: eq_bigr => k _.
      by rewrite -[RHS](simplex_unit K2 sW k).
    by rewrite -[X in 2 * c * X]c1; ring.
  rewrite mulr_sumr -sumrB -big_split /=; apply: eq_bigr => a _.
  rewrite -(sum_delta a (fun b => 2 * c * A a b)) -(sum_delta a (fun=> c ^+ 2)) -sumrB -big_split /=.
  by apply: eq_bigr => b _; rewrite /delta; case: eqP => _; rewrite ?mulr1n ?mulr0n; ring.
have AE a b : A a b = c * delta R a b.
  have s0 a' : 0 <= \sum_b (A a' b - c * delta R a' b) ^+ 2 by apply: sumr_ge0 => b' _; apply: sqr_ge0.
  have z1 := psumr_eq0P (fun a' _ => s0 a') z (i := a) isT.
  have /eqP := psumr_eq0P (fun b' _ => sqr_ge0 (A a b' - c * delta R a b')) z1 (i := b) isT.
  by rewrite sqrf_eq0 subr_eq0 => /eqP.
transitivity (\sum_a \sum_b v a * v b * A a b).
  transitivity (\sum_k \sum_a \sum_b v a * v b * (W a k * W b k)).
    apply: eq_bigr => k _; rewrite expr2 /bdot mulr_suml; apply: eq_bigr => a _; rewrite mulr_sumr.
    by apply: eq_bigr => b _; ring.
  rewrite exchange_big; apply: eq_bigr => a _; rewrite exchange_big; apply: eq_bigr => b _; by rewrite -mulr_sumr.
rewrite /sqn mulr_sumr; apply: eq_bigr => a _; rewrite [v a ^+ 2]expr2 -(sum_delta a (fun b => c * (v a * v b))).
by apply: eq_bigr => b _; rewrite AE; ring.
Qed.
End Frame.

(* ---- the turned sample ---- *)
Section Turned.
Variables (R : realType) (d K N : nat) (y : 'I_N -> 'I_K) (T : R) (om : 'I_N -> R).
Variables (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)) (i : 'I_N).
Hypotheses (K2 : (1 < K)%N) (T0 : 0 < T) (om0 : forall i, 0 < om i) (sW : simplex W).
Hypothesis turned : forall a, H a i = - W a (y i).
Local Notation tau := (fun=> T).
Local Notation off := (fun _ _ => 0).
Local Notation g := (soft_grad (onehot R y) tau off om).
Local Notation Q := (soft_hess tau off om).
Let K0 : (0 : R) < K%:R := K0 R K2.
Let K1 : (0 : R) < K%:R - 1 := K1 R K2.
Let KN1 : K%:R - 1 != 0 :> R. Proof. by rewrite gt_eqF. Qed.

(* the probability of each other class *)
Definition turned_prob : R := expR (T / (K%:R - 1)) / (expR (- T) + (K%:R - 1) * expR (T / (K%:R - 1))).

Lemma turned_prob_gt0 : 0 < turned_prob.
Proof. by rewrite divr_gt0 ?expR_gt0 // addr_gt0 ?mulr_gt0 ?expR_gt0. Qed.

Lemma turned_scores k : scores W H i k = two_values y i (-1) (K%:R - 1)^-1 k.
Proof.
have -> : scores W H i k = - dotc W W k (y i).
  by rewrite /scores /dotc -sumrN; apply: eq_bigr => a _; rewrite turned mulrN.
by rewrite sW /two_values; case: eqP => _; rewrite ?mulr1n ?mulr0n; field; rewrite KN1 gt_eqF.
Qed.

Let own : R := 1 - (K%:R - 1) * turned_prob.

Lemma turned_probs k : prob tau off i (scores W H i) k = two_values y i own turned_prob k.
Proof.
have e j : expR (lg tau off i (scores W H i) j) = two_values y i (expR (- T)) (expR (T / (K%:R - 1))) j.
  by rewrite /lg addr0 turned_scores /two_values; case: ifP => _; rewrite ?mulrN1.
have S0 : expR (- T) + (K%:R - 1) * expR (T / (K%:R - 1)) != 0 by rewrite gt_eqF // addr_gt0 ?mulr_gt0 ?expR_gt0.
rewrite /prob; under eq_bigr do rewrite e; rewrite (sum_two y id) e /own /turned_prob /two_values.
by case: ifP => _ //; field.
Qed.

(* the Hessian along v at this sample, for v orthogonal to it *)
Lemma turned_form v : bdot v H i = 0 -> hess g Q W H (outer v (fun=> 0)) (outer v (delta R i)) =
  om i * T * turned_prob * (T * (\sum_k bdot v W k ^+ 2) - K%:R * sqn v).
Proof.
move=> vH; have vy : bdot v W (y i) = 0.
  by apply/eqP; rewrite -oppr_eq0 -[X in _ == X]vH /bdot -sumrN; apply/eqP; apply: eq_bigr => a _; rewrite turned mulrN.
have v0 : \sum_k bdot v W k = 0.
  rewrite /bdot exchange_big big1 //= => a _; by rewrite -mulr_sumr simplex_sum ?mulr0.
rewrite hess_one.
have -> : \sum_k \sum_j Q i (scores W H i) k j * (bdot v W k * bdot v W j) =
    T ^+ 2 * om i * (turned_prob * \sum_k bdot v W k ^+ 2).
  rewrite (soft_variance tau off om i (scores W H i) (bdot v W)); congr (_ * _).
  have pv (F : 'I_K -> R) : F (y i) = 0 -> \sum_k prob tau off i (scores W H i) k * F k = turned_prob * \sum_k F k.
    move=> Fy; rewrite mulr_sumr; apply: eq_bigr => k _; rewrite turned_probs /two_values.
    by case: eqP => [->|//]; rewrite Fy !mulr0.
  by rewrite (pv (fun k => bdot v W k ^+ 2)) ?vy ?expr0n // (pv (bdot v W)) // v0 mulr0 expr0n subr0.
have -> : beta g W H i = om i * T * turned_prob * K%:R.
  rewrite /beta; transitivity (\sum_k T * om i * ((own - 1) * -1 * delta R (y i) k
      + turned_prob * (K%:R - 1)^-1 * (1 - delta R (y i) k))).
    apply: eq_bigr => k _; rewrite /Gm /soft_grad turned_probs -/(scores W H i k) turned_scores.
    by rewrite /two_values /onehot /delta; case: eqP => _; rewrite ?mulr1n ?mulr0n; ring.
  rewrite -mulr_sumr big_split /= (sum_delta (y i) (fun=> (own - 1) * -1)) -mulr_sumr sumrB (sum_const K).
  have := sum_delta (y i) (fun=> 1 : R); under eq_bigr do rewrite mul1r.
  by move=> ->; rewrite /own; field.
ring.
Qed.

(* dimension K - 1: positive for T > K - 1, negative for T < K - 1, in every direction *)
Lemma turned_edge v : K = d.+1 -> bdot v H i = 0 -> hess g Q W H (outer v (fun=> 0)) (outer v (delta R i)) =
  om i * T * turned_prob * (K%:R / (K%:R - 1)) * (T - (K%:R - 1)) * sqn v.
Proof. by move=> Kd vH; rewrite turned_form // (simplex_tight K2 sW v Kd); field. Qed.

(* dimension K and more: negative in a direction orthogonal to the classifiers *)
Lemma turned_saddle : (K <= d)%N -> neg_curv g Q W H.
Proof.
move=> dK; have [v [[a va] vW]] : exists v : 'I_d -> R, (exists a, v a != 0) /\ forall j, bdot v W j = 0.
  apply: exists_orth; apply: leq_trans dK; apply: (@rank_ker _ _ _ _ (fun=> 1) (y i)); first exact: oner_neq0.
  by move=> a; under eq_bigr do rewrite mulr1; apply: simplex_sum.
have vH : bdot v H i = 0.
  transitivity (- bdot v W (y i)); last by rewrite vW oppr0.
  by rewrite /bdot -sumrN; apply: eq_bigr => b _; rewrite turned mulrN.
exists (outer v (fun=> 0)), (outer v (delta R i)); split.
- by apply: tangent_outer => j; rewrite mulr0.
- apply: tangent_outer => j; rewrite /delta; case: (eqVneq j i) => [->|_]; last by rewrite mulr0.
  by rewrite vH mul0r.
rewrite turned_form // big1 => [|k _]; last by rewrite vW expr0n.
rewrite mulr0 sub0r mulrN oppr_lt0; apply: mulr_gt0; last by rewrite mulr_gt0 ?(sqn_gt0 va).
by rewrite mulr_gt0 ?turned_prob_gt0 // mulr_gt0.
Qed.
End Turned.
