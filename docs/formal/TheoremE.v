(* Below d = K: Theorem E (the edge d = K - 1 at low temperature), Theorem F (well classified critical points),
   and what is left over in any dimension d >= 3. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.classical Require Import boolp classical_sets functions.
From mathcomp.analysis Require Import reals signed topology normedtype sequences derive realfun exp.
From mathcomp Require Import ring.
From Sphere Require Import Definitions Algebra Calculus Landscape TheoremC CrossEntropy TheoremS.
Set Implicit Arguments. Unset Strict Implicit. Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Import numFieldTopology.Exports numFieldNormedType.Exports.
Local Open Scope ring_scope.

(* ---- one feature with beta_i > 0 is unstable at low tau ---- *)
Section PositiveBeta.
Variables (R : realType) (d K N : nat) (y : 'I_N -> 'I_K).
Variables (tau : 'I_N -> R) (off : 'I_K -> 'I_N -> R) (om : 'I_N -> R).
Hypotheses (tau0 : forall i, 0 < tau i) (om0 : forall i, 0 < om i).
Variables (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)).
Hypotheses (uW : unitc W) (uH : unitc H).
Local Notation g := (soft_grad (onehot R y) tau off om).
Local Notation Q := (soft_hess tau off om).
Local Notation be := (beta g W H).
Hypothesis crit : critical g W H.

Variable i : 'I_N.
Hypothesis bi : 0 < be i.
Let p k := prob tau off i (scores W H i) k.
Let s k := dotc W H k i.
(* m: the mean classifier under the probabilities; sg: its inner product with h_i *)
Let m a := \sum_k p k * W a k.
Let sg := \sum_k p k * s k.
(* |m - w_y|, since W g_i = tau om (m - w_y) = beta_i h_i *)
Let rho := be i / (tau i * om i).
(* an overcomplete basis of the tangent space at h_i: coordinate vectors, projected *)
Let v a : 'I_d -> R := fun c => delta R a c - H a i * H c i.

Lemma p_gt0 k : 0 < p k. Proof. exact: (prob_gt0 _ _ (y i)). Qed.
Lemma p_sum1 : \sum_k p k = 1. Proof. exact: (prob_sum1 _ _ (y i)). Qed.

Lemma norm2 n (A : 'M[R]_(d,n)) j : unitc A -> \sum_a A a j ^+ 2 = 1.
Proof. by move=> uA; rewrite -(uA j); apply: eq_bigr => a _; rewrite expr2. Qed.

Lemma bdot_v a n (A : 'M[R]_(d,n)) j : bdot (v a) A j = A a j - H a i * dotc A H j i.
Proof.
rewrite /bdot /v -(sum_delta a (fun c => A c j)) mulr_sumr -sumrB.
by apply: eq_bigr => c _; rewrite /delta; ring.
Qed.

Lemma v_tangent a : bdot (v a) H i = 0.
Proof. by rewrite bdot_v uH mulr1 subrr. Qed.

Lemma sum_sqn_v : \sum_a sqn (v a) = d%:R - 1.
Proof.
have sv a : sqn (v a) = 1 - H a i ^+ 2.
  have -> : sqn (v a) = \sum_c (delta R a c - 2 * H a i * H c i * delta R a c + H a i ^+ 2 * H c i ^+ 2).
    apply: eq_bigr => c _; rewrite /v /delta.
    by case: (_ == _); rewrite ?mulr1n ?mulr0n; ring.
  rewrite big_split /= sumrB -mulr_sumr (norm2 i uH) sum_delta.
  have -> : \sum_c delta R a c = 1.
    by rewrite -(sum_delta a (fun=> 1)); apply: eq_bigr => c _; rewrite mul1r.
  ring.
by under eq_bigr do rewrite sv; rewrite sumrB (norm2 i uH) sumr_const card_ord.
Qed.

Lemma m_h : \sum_a m a * H a i = sg.
Proof.
rewrite /m /sg; under eq_bigr do rewrite mulr_suml.
rewrite exchange_big /=; apply: eq_bigr => k _; rewrite /s /dotc mulr_sumr.
by apply: eq_bigr => a _; rewrite mulrA.
Qed.

(* sums over the basis of the two terms of the variance *)
Lemma sum_second : \sum_a \sum_k p k * bdot (v a) W k ^+ 2 = 1 - \sum_k p k * s k ^+ 2.
Proof.
rewrite exchange_big /= -p_sum1 -sumrB; apply: eq_bigr => k _.
rewrite -mulr_sumr; transitivity (p k * (1 - s k ^+ 2)); last by rewrite mulrBr mulr1.
congr (_ * _).
have -> : \sum_a bdot (v a) W k ^+ 2 = \sum_a (W a k + (- s k) * H a i) ^+ 2.
  by apply: eq_bigr => a _; rewrite bdot_v /s; ring.
rewrite sum_sqD (norm2 k uW) (norm2 i uH) -/(dotc W H k i) -/(s k); ring.
Qed.

Lemma sum_mean : \sum_a (\sum_k p k * bdot (v a) W k) ^+ 2 = \sum_a m a ^+ 2 - sg ^+ 2.
Proof.
have e a : \sum_k p k * bdot (v a) W k = m a + (- sg) * H a i.
  rewrite /m /sg -sumrN mulr_suml -big_split /=; apply: eq_bigr => k _; rewrite bdot_v /s; ring.
by under eq_bigr do rewrite e; rewrite sum_sqD m_h (norm2 i uH); ring.
Qed.

Lemma to_gt0 : 0 < tau i * om i. Proof. exact: mulr_gt0. Qed.
Lemma rho_gt0 : 0 < rho. Proof. by apply: divr_gt0 => //; apply: to_gt0. Qed.

Lemma mE a : m a = W a (y i) + rho * H a i.
Proof.
have e : tau i * om i * (m a - W a (y i)) = H a i * be i.
  case: crit => _ /(_ a i) <-; rewrite -(sum_delta (y i) (fun k => W a k)) /m -sumrB mulr_sumr.
  by apply: eq_bigr => k _; rewrite /Gm /soft_grad /onehot /delta /p; ring.
rewrite /rho mulrAC [be i * _]mulrC -e mulrAC divff ?gt_eqF ?to_gt0 // mul1r.
by rewrite addrCA subrr addr0.
Qed.

(* the mean classifier is long enough: 1 - |m|^2 < 2 rho *)
Lemma mean_long : 1 - \sum_a m a ^+ 2 < 2 * rho.
Proof.
have -> : \sum_a m a ^+ 2 = 1 + 2 * rho * s (y i) + rho ^+ 2.
  by under eq_bigr do rewrite mE; rewrite sum_sqD (norm2 _ uW) (norm2 i uH) mulr1.
have sy : 0 <= s (y i) + 1 by rewrite -ler_subl_addr sub0r; apply: dotc_geN1.
rewrite -subr_gt0.
have -> : 2 * rho - (1 - (1 + 2 * rho * s (y i) + rho ^+ 2)) = rho ^+ 2 + 2 * rho * (s (y i) + 1) by ring.
apply: ltr_paddr; last exact: exprn_gt0 rho_gt0.
by apply: mulr_ge0 => //; apply: mulr_ge0 => //; apply: ltW rho_gt0.
Qed.

(* Theorem E's trace: the Hessian summed over the basis is negative *)
Lemma positive_beta : 2 * tau i <= d%:R - 1 -> neg_curv g Q W H.
Proof.
move=> ht; pose q a := tau i ^+ 2 * om i * (\sum_k p k * bdot (v a) W k ^+ 2 - (\sum_k p k * bdot (v a) W k) ^+ 2)
    - be i * sqn (v a).
suff [a qa] : exists a, q a < 0.
  by apply: (neg_one (v_tangent a)); rewrite soft_variance.
have sq : \sum_a q a = tau i ^+ 2 * om i * (1 - \sum_a m a ^+ 2 - (\sum_k p k * s k ^+ 2 - sg ^+ 2))
   - be i * (d%:R - 1).
  rewrite /q sumrB -!mulr_sumr sumrB sum_second sum_mean sum_sqn_v; ring.
have var0 : 0 <= \sum_k p k * s k ^+ 2 - sg ^+ 2.
  by apply: variance_ge0 p_sum1 => k; apply: ltW; apply: p_gt0.
have neg : \sum_a q a < 0.
  rewrite sq subr_lt0; apply: (@lt_le_trans _ _ (be i * (2 * tau i))); last by rewrite ler_pmul2l.
  have -> : be i * (2 * tau i) = tau i ^+ 2 * om i * (2 * rho).
    rewrite /rho; field; by rewrite !gt_eqF.
  rewrite ltr_pmul2l; last by apply: mulr_gt0 => //; apply: exprn_gt0.
  by apply: le_lt_trans mean_long; rewrite ger_addl oppr_le0.
apply: contrapT => /forallNP nn.
have : 0 <= \sum_a q a by apply: sumr_ge0 => a _; rewrite leNgt; apply/negP/nn.
by rewrite leNgt neg.
Qed.
End PositiveBeta.

(* ---- the kernel of W is a line ---- *)
Section Edge.
Variables (R : realType) (d K N : nat) (g : 'I_N -> ('I_K -> R) -> 'I_K -> R).
Variables (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)).
Local Notation G := (Gm g W H).
Local Notation al := (alpha g W H).
Local Notation be := (beta g W H).
Local Notation q := (qS g W H).
Hypotheses (crit : critical g W H) (g0 : forall i, \sum_k G k i = 0).
Hypothesis bneg : forall i, be i < 0.

Let bn0 i : be i != 0. Proof. by rewrite lt_eqF. Qed.

(* T x for the Schur complement T = -diag(alpha) + G diag(1/beta) G^T *)
Let s (x : 'I_K -> R) i := \sum_l G l i * x l.
Let t x k := - (al k * x k) + \sum_i G k i * (s x i / be i).

Lemma edge_WT x a : \sum_k W a k * t x k = 0.
Proof.
case: crit => c1 c2.
have -> : \sum_k W a k * t x k = - (\sum_k (\sum_i H a i * G k i) * x k)
    + \sum_i (\sum_k W a k * G k i) * (s x i / be i).
  rewrite -sumrN; under [X in _ = _ + X]eq_bigr do rewrite mulr_suml.
  rewrite [X in _ = _ + X]exchange_big /= -big_split /=; apply: eq_bigr => k _.
  rewrite /t mulrDr mulr_sumr c1; congr (_ + _); first by ring.
  by apply: eq_bigr => i _; ring.
rewrite addrC; apply/eqP; rewrite subr_eq0; apply/eqP.
under eq_bigr do rewrite c2.
under [RHS]eq_bigr do rewrite mulr_suml.
rewrite [RHS]exchange_big /=; apply: eq_bigr => i _.
rewrite -mulrA [be i * _]mulrC divfK // /s mulr_sumr; apply: eq_bigr => k _; ring.
Qed.

Lemma edge_sum x : \sum_k t x k = - (\sum_k al k * x k).
Proof.
rewrite /t big_split /= sumrN [X in _ + X]exchange_big /= [X in _ + X]big1 ?addr0 //.
by move=> i _; rewrite -mulr_suml g0 mul0r.
Qed.

(* completing the square: the form of S is that of T plus positive squares *)
Lemma edge_square x z : q x z = \sum_k x k * t x k + \sum_i (- be i) * (z i - s x i / be i) ^+ 2.
Proof.
have -> : \sum_k x k * t x k = - (\sum_k al k * x k ^+ 2) + \sum_i s x i ^+ 2 / be i.
  rewrite /t; under eq_bigr do rewrite mulrDr mulr_sumr.
  rewrite big_split /= -sumrN; congr (_ + _); first by apply: eq_bigr => k _; ring.
  rewrite exchange_big /=; apply: eq_bigr => i _.
  rewrite expr2 -mulrA {2}/s mulr_suml; apply: eq_bigr => k _; ring.
have -> : \sum_i (- be i) * (z i - s x i / be i) ^+ 2 = 2 * (\sum_i s x i * z i)
    - \sum_i be i * z i ^+ 2 - \sum_i s x i ^+ 2 / be i.
  rewrite mulr_sumr -!sumrB; apply: eq_bigr => i _; field; exact: bn0.
rewrite /qS.
have -> : \sum_i \sum_k G k i * (x k * z i) = \sum_i s x i * z i.
  apply: eq_bigr => i _; rewrite mulr_suml; apply: eq_bigr => k _; ring.
ring.
Qed.

Hypotheses (i0 : 'I_N) (rW : (K - \rank W <= 1)%N) (Wal : forall a, \sum_k W a k * al k = 0).

Lemma edge_alpha : \sum_k al k < 0.
Proof.
rewrite sum_alphaE (_ : \sum_i _ = \sum_i be i) // -oppr_gt0 -sumrN.
by apply: (sum_gt0 i0) => i; rewrite oppr_gt0.
Qed.

(* alpha spans the kernel of W, so T x is a multiple of it *)
Lemma edge_line x : exists c, forall k, t x k = c * al k.
Proof.
pose u : 'rV[R]_K := \row_k al k; pose w : 'rV[R]_K := \row_k t x k.
have uk : (u <= kermx W^T)%MS.
  apply/sub_kermxP/rowP => a; rewrite !mxE -[RHS](Wal a).
  by apply: eq_bigr => k _; rewrite !mxE mulrC.
have wk : (w <= kermx W^T)%MS.
  apply/sub_kermxP/rowP => a; rewrite !mxE -[RHS](edge_WT x a).
  by apply: eq_bigr => k _; rewrite !mxE mulrC.
have u0 : u != 0.
  apply/eqP => e; have := edge_alpha; rewrite big1 ?ltxx // => k _.
  by move/rowP/(_ k): e; rewrite !mxE.
have ru : \rank u = 1%N by rewrite rank_rV u0.
have ku : (kermx W^T <= u)%MS.
  have := mxrank_leqif_sup uk; case=> _ <-.
  rewrite eqn_leq mxrankS //= ru mxrank_ker mxrank_tr //.
have /sub_rVP [c e] := submx_trans wk ku.
by exists c => k; move/rowP/(_ k): e; rewrite !mxE.
Qed.

(* the Lemma of docs/theory.md, "Below d = K": W has corank one and all beta are negative, then S >= 0 *)
Lemma S_ge0_corank1 : psd g W H.
Proof.
move=> x z; have [c tc] := edge_line x.
rewrite edge_square; apply: addr_ge0; last first.
  by apply: sumr_ge0 => i _; rewrite mulr_ge0 ?sqr_ge0 // oppr_ge0 ltW.
have e1 : \sum_k x k * t x k = c * \sum_k al k * x k.
  by rewrite mulr_sumr; apply: eq_bigr => k _; rewrite tc; ring.
have e2 : - (\sum_k al k * x k) = c * \sum_k al k.
  by rewrite -edge_sum mulr_sumr; apply: eq_bigr => k _; rewrite tc.
have -> : \sum_k x k * t x k = c ^+ 2 * - (\sum_k al k).
  by rewrite e1 -[\sum_k al k * x k]opprK e2; ring.
by rewrite mulr_ge0 ?sqr_ge0 // oppr_ge0 ltW // edge_alpha.
Qed.
End Edge.

(* ---- conclusions ---- *)
Section Conclusions.
Variables (R : realType) (d K N : nat) (y : 'I_N -> 'I_K).
Variables (tau : 'I_N -> R) (off : 'I_K -> 'I_N -> R) (om : 'I_N -> R).
Hypotheses (d3 : (2 < d)%N) (tau0 : forall i, 0 < tau i) (om0 : forall i, 0 < om i).
Variables (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)).
Hypotheses (uW : unitc W) (uH : unitc H).
Local Notation g := (soft_grad (onehot R y) tau off om).
Local Notation Q := (soft_hess tau off om).
Local Notation be := (beta g W H).
Hypothesis crit : critical g W H.

(* any K, any d >= 3: what is left over has rank W = d < K, no beta_i = 0, and beta_i > 0 only where tau_i is large *)
Lemma dichotomy_any_d : [\/ psd g W H, neg_curv g Q W H |
  [/\ \rank W = d, (d < K)%N & forall i, be i < 0 \/ 0 < be i /\ d%:R - 1 < 2 * tau i]].
Proof.
case: (leqP K d) => dK.
  by have [|] := dichotomy_S tau0 om0 uW crit dK d3; [apply: Or31|apply: Or32].
have K1 : (1 < K)%N by apply: leq_ltn_trans dK; apply: ltnW; apply: ltnW.
have [[i b0]|nb] := EM (exists i, be i = 0).
  by apply: Or32; apply: (collapsed_neg_curv off tau0 om0 H uW d3 K1 (beta0_collapsed tau0 om0 uW crit b0)).
have bn0 i : be i != 0 by apply/eqP => b0; apply: nb; exists i.
case: (ltnP (\rank W) d) => [rW|rW].
  by have [|] := caseB_deficient Q crit bn0 rW; [apply: Or31|apply: Or32].
have [[i [bi ht]]|np] := EM (exists i, 0 < be i /\ 2 * tau i <= d%:R - 1).
  by apply: Or32; apply: (positive_beta tau0 om0 uW uH crit bi ht).
apply: Or33; split=> //; first by apply/eqP; rewrite eqn_leq rW rank_leq_row.
move=> i; case: (ltP (be i) 0) => [b|b]; [by left|right].
have bi : 0 < be i by rewrite lt_neqAle b eq_sym bn0.
by split=> //; rewrite ltNge; apply/negP => ht; apply: np; exists i.
Qed.

(* sample i is well classified: no class has a larger inner product than its label *)
Definition fits i := forall k, dotc W H k i <= dotc W H (y i) i.

Lemma beta_fits i : fits i -> be i <= 0.
Proof.
move=> ft; have -> : be i = \sum_k Gm g W H k i * (dotc W H k i - dotc W H (y i) i).
  under [RHS]eq_bigr do rewrite mulrBr.
  by rewrite sumrB -mulr_suml CE_sum0 mul0r subr0.
rewrite -oppr_ge0 -sumrN; apply: sumr_ge0 => k _; rewrite oppr_ge0.
case: (eqVneq k (y i)) => [->|ky]; first by rewrite subrr mulr0.
by apply: mulr_ge0_le0; [apply: ltW; apply: grad_gt0|rewrite subr_le0; apply: ft].
Qed.

Lemma dichotomy_F : K = d.+1 -> (forall i, fits i \/ 2 * tau i <= d%:R - 1) -> psd g W H \/ neg_curv g Q W H.
Proof.
move=> Kd ft; case: dichotomy_any_d => [S0|nc|[rW _ bs]]; [by left|by right|].
have bneg i : be i < 0.
  case: (bs i) => [//|[bi ht]]; case: (ft i) => [/beta_fits|]; first by rewrite leNgt bi.
  by rewrite leNgt ht.
have [[i0 _]|nN] := EM (exists i : 'I_N, True); last first.
  by left; apply: psd_trivial => k i; case: nN; exists i.
left; apply: (S_ge0_corank1 crit _ bneg i0); rewrite ?rW ?Kd ?subSnn //.
  by move=> i; apply: CE_sum0.
by move=> a; apply: (W_alpha0 crit (soft_shift tau off om y (onehot_sum1 R y))).
Qed.
End Conclusions.

(* ---- what a misclassified sample costs ---- *)
Section Misclassified.
Variables (R : realType) (d K N : nat) (y : 'I_N -> 'I_K) (tau om : 'I_N -> R).
Hypotheses (tau0 : forall i, 0 < tau i) (om0 : forall i, 0 < om i).
Variables (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)).
Local Notation off := (fun (_ : 'I_K) (_ : 'I_N) => 0).

Lemma sample_cost_ge0 i : 0 <= om i * (ln (sumexp tau off W H i) - logit tau off W H (y i) i).
Proof.
apply: mulr_ge0; first exact: ltW.
rewrite subr_ge0 -[X in X <= _]expK ler_ln ?posrE ?expR_gt0 //; last first.
  by apply: (sum_gt0 (y i)) => k; apply: expR_gt0.
by rewrite /sumexp (bigD1 (y i)) //= ler_addl; apply: sumr_ge0 => k _; apply: ltW; apply: expR_gt0.
Qed.

Lemma misclassified_cost i k : dotc W H (y i) i < dotc W H k i -> om i * ln 2 < cost y tau off om W H.
Proof.
move=> lt; have zk : logit tau off W H (y i) i < logit tau off W H k i by rewrite /logit !addr0 ltr_pmul2l.
have ky : k != y i by apply/eqP => e; rewrite e ltxx in lt.
rewrite /cost (bigD1 i) //=; apply: ltr_paddr; first by apply: sumr_ge0 => j _; apply: sample_cost_ge0.
rewrite ltr_pmul2l // ltr_subr_addr -[X in _ + X < _]expK -lnM ?posrE ?expR_gt0 //.
rewrite ltr_ln ?posrE ?mulr_gt0 ?expR_gt0 //; last by apply: (sum_gt0 (y i)) => j; apply: expR_gt0.
rewrite /sumexp (bigD1 (y i)) //= (bigD1 k) //= addrA; apply: ltr_paddr.
  by apply: sumr_ge0 => j _; apply: ltW; apply: expR_gt0.
by rewrite mulr2n mulrDl !mul1r ltr_add2l ltr_expR.
Qed.
End Misclassified.
