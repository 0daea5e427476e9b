(* Theorem C: convex losses, d >= K + 1, or d >= max(K, 3) for losses that ignore a common shift of the logits.
   Here its algebra: a critical point where no gradient vanishes has S >= 0 or a direction of negative curvature. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.classical Require Import boolp classical_sets functions.
From mathcomp.analysis Require Import reals signed topology normedtype sequences derive realfun exp.
From mathcomp Require Import ring.
From Sphere Require Import Definitions Algebra Calculus Landscape.
Set Implicit Arguments. Unset Strict Implicit. Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Import numFieldTopology.Exports numFieldNormedType.Exports.
Local Open Scope ring_scope.

Section Turn.
Variables (R : realType) (d K N : nat).
Variables (g : 'I_N -> ('I_K -> R) -> 'I_K -> R) (Q : 'I_N -> ('I_K -> R) -> 'I_K -> 'I_K -> R).
Variables (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)).
Hypothesis uW : unitc W.
Local Notation G := (Gm g W H).
Local Notation be := (beta g W H).
Local Notation hs := (hess g Q W H).
Local Notation cv := (curv Q W H).

(* u_k = v - c w_k, v_i = - t v, nothing else moves; W^T v = c 1, so logits of sample i only shift with t *)
Variables (i : 'I_N) (k : 'I_K) (v : 'I_d -> R) (c : R).
Hypotheses (vH : bdot v H i = 0) (vW : forall j, bdot v W j = c).
Hypothesis sh : c = 0 \/ shift_inv g Q.
Let U : 'M[R]_(d,K) := \matrix_(a,j) (delta R k j * (v a - c * W a k)).
Let z (t : R) := fun j => - t * delta R i j.

Lemma turn_tangentW : tangent W U.
Proof.
move=> j; rewrite /dotc /delta; under eq_bigr do rewrite mxE.
rewrite /delta; case: (eqVneq j k) => [->|_]; last by apply: big1 => a _; rewrite mul0r mulr0.
transitivity (\sum_a v a * W a k - c * \sum_a W a k * W a k).
  by rewrite mulr_sumr -sumrB; apply: eq_bigr => a _; rewrite mulr1n; ring.
by rewrite -/(bdot v W k) -/(dotc W W k k) vW uW mulr1 subrr.
Qed.

Lemma turn_tangentH t : tangent H (outer v (z t)).
Proof.
apply: tangent_outer => j; rewrite /z /delta; case: (eqVneq j i) => [->|_]; last by rewrite !mulr0.
by rewrite vH mul0r.
Qed.

Lemma turn_cross t j m : dotc U (outer v (z t)) j m = delta R k j * z t m * (sqn v - c ^+ 2).
Proof.
rewrite dotc_outerr mulrAC; congr (_ * _).
transitivity (delta R k j * (sqn v - c * bdot v W k)); last by rewrite vW -expr2.
rewrite /bdot /sqn mulr_sumr -sumrB mulr_sumr; apply: eq_bigr => a _; rewrite mxE; ring.
Qed.

(* a quadratic form with zero row and column sums ignores a shift e of its argument *)
Lemma form_shift n (A : 'I_n -> 'I_n -> R) (D : 'I_n -> R) (e : R) :
  (forall j, \sum_j' A j j' = 0) -> (forall j', \sum_j A j j' = 0) ->
  \sum_j \sum_j' A j j' * ((D j + e) * (D j' + e)) = \sum_j \sum_j' A j j' * (D j * D j').
Proof.
move=> A1 A2; transitivity (\sum_j \sum_j' A j j' * (D j * D j')
  + (\sum_j (D j + e) * e * (\sum_j' A j j') + \sum_j' D j' * e * (\sum_j A j j'))).
  have -> : \sum_j' D j' * e * (\sum_j A j j') = \sum_j \sum_j' D j' * e * A j j'.
    by rewrite exchange_big /=; apply: eq_bigr => j _; rewrite mulr_sumr.
  rewrite -!big_split /=; apply: eq_bigr => j _; rewrite mulr_sumr -!big_split /=.
  by apply: eq_bigr => j' _; ring.
rewrite [X in _ + (X + _)]big1 ?add0r; last by move=> j _; rewrite A1 mulr0.
by rewrite [X in _ + X]big1 ?addr0 // => j _; rewrite A2 mulr0.
Qed.

(* the loss curvature does not depend on t *)
Lemma turn_curv t m : cv (Dm W H U (outer v (z t))) m = cv (fun j m => dotc U H j m) m.
Proof.
transitivity (\sum_j \sum_j' Q m (scores W H m) j j' *
   ((dotc U H j m + c * z t m) * (dotc U H j' m + c * z t m))).
  by apply: eq_bigr => j _; apply: eq_bigr => j' _; rewrite /Dm !dotc_outerr !vW.
case: sh => [->|[_ Q1 Q2]]; last exact: form_shift.
by apply: eq_bigr => j _; apply: eq_bigr => j' _; rewrite !mul0r !addr0.
Qed.

Lemma turn_linear t : \sum_m \sum_j G j m * dotc U (outer v (z t)) j m = - t * (G k i * (sqn v - c ^+ 2)).
Proof.
transitivity (\sum_m (G k m * (- t * (sqn v - c ^+ 2))) * delta R i m); last by rewrite sum_delta; ring.
apply: eq_bigr => m _.
transitivity (\sum_j (G j m * (z t m * (sqn v - c ^+ 2))) * delta R k j).
  by apply: eq_bigr => j _; rewrite turn_cross; ring.
by rewrite sum_delta /z; ring.
Qed.

Hypothesis b0 : be i = 0.

Lemma turn_hess t : hs U (outer v (z t)) = hs U (outer v (z 0)) - 2 * t * (G k i * (sqn v - c ^+ 2)).
Proof.
have bE s : \sum_m be m * dotc (outer v (z s)) (outer v (z s)) m m = 0.
  apply: big1 => m _; rewrite dotc_outer /z /delta; case: (eqVneq m i) => [->|_].
    by rewrite b0 mul0r.
  by rewrite !mulr0.
rewrite /hess !turn_linear !bE; under eq_bigr do rewrite turn_curv.
under [X in _ = X + _ - _ - _ - _]eq_bigr do rewrite turn_curv.
ring.
Qed.

(* Lemma T: where beta_i = 0 the feature h_i turns along v at no cost; its coupling with w_k is linear in t and
   wins for large t *)
Lemma turn : G k i != 0 -> sqn v != c ^+ 2 -> neg_curv g Q W H.
Proof.
move=> Gk vc; pose e := G k i * (sqn v - c ^+ 2); pose C := hs U (outer v (z 0)).
have e0 : e != 0 by rewrite mulf_neq0 // subr_eq0.
exists U, (outer v (z ((`|C| + 1) / (2 * e)))).
split; [exact: turn_tangentW|exact: turn_tangentH|].
rewrite turn_hess -/C -/e.
have -> : 2 * ((`|C| + 1) / (2 * e)) * e = `|C| + 1 by field.
by rewrite opprD addrA -[X in _ < X](subrr 1) ltr_add2r; apply: le_lt_trans (ltr01); rewrite subr_le0 ler_norm.
Qed.
End Turn.

Section TheoremC.
Variables (R : realType) (d K N : nat).
Variables (g : 'I_N -> ('I_K -> R) -> 'I_K -> R) (Q : 'I_N -> ('I_K -> R) -> 'I_K -> 'I_K -> R).
Variables (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)).
Hypotheses (uW : unitc W) (uH : unitc H) (crit : critical g W H).
Local Notation G := (Gm g W H).
Local Notation al := (alpha g W H).
Local Notation be := (beta g W H).
Local Notation q := (qS g W H).

(* the special case c = 0 of the turn *)
Lemma turn_off i k v a : be i = 0 -> G k i != 0 -> v a != 0 -> bdot v H i = 0 -> (forall j, bdot v W j = 0) ->
  neg_curv g Q W H.
Proof.
move=> b0 Gk va vH vW; apply: (turn uW vH vW (or_introl _) b0 Gk) => //.
by rewrite expr0n /= gt_eqF // (sqn_gt0 va).
Qed.

(* no sample has a vanishing gradient *)
Hypothesis gn0 : forall i, exists k, G k i != 0.

Lemma dichotomy_C : (K < d)%N -> psd g W H \/ neg_curv g Q W H.
Proof.
move=> dK.
have [b [[a ba] bW]] : exists b : 'I_d -> R, (exists a, b a != 0) /\ forall j, bdot b W j = 0.
  by apply: exists_orth; apply: leq_ltn_trans (rank_leq_col _) _.
have [bH|/existsNP [i bi]] := EM (forall i, bdot b H i = 0); first exact: (deficient g Q ba bW bH).
(* a feature outside the span of the classifiers has beta_i = 0, and the classifiers are dependent *)
have b0 : be i = 0.
  have := bdot_Wg crit b i; rewrite big1 => [/esym/eqP|k _]; last by rewrite bW mul0r.
  by rewrite mulf_eq0 => /orP[/eqP //|/eqP].
have [k Gk] := gn0 i; right.
have rW : (\rank W < K)%N.
  by apply: (@rank_ker _ _ K W (fun k => G k i) k) => // a'; case: crit => _ ->; rewrite b0 mulr0.
have [v [[a' va] vj]] : exists v : 'I_d -> R, (exists a, v a != 0) /\ forall j, bdot v (row_mx W (col i H)) j = 0.
  apply: exists_orth; rewrite -mxrank_tr tr_row_mx -addsmxE.
  apply: (@leq_ltn_trans (\rank W + 1)%N); last by rewrite addn1; apply: leq_ltn_trans rW dK.
  apply: (leq_trans (mxrank_adds_leqif _ _).1); rewrite mxrank_tr leq_add2l.
  by rewrite mxrank_tr; apply: rank_leq_col.
apply: (turn_off b0 Gk va) => [|j].
  by rewrite -(vj (rshift K ord0)); apply: eq_bigr => c _; rewrite row_mxEr mxE.
by rewrite -(vj (lshift 1 j)); apply: eq_bigr => c _; rewrite row_mxEl.
Qed.

(* ---- losses that ignore a common shift: d >= max(K, 3) ---- *)
Hypothesis sh : shift_inv g Q.

Lemma G_sum0 i : \sum_k G k i = 0. Proof. by case: sh => h _ _; apply: h. Qed.

(* sum_k alpha_k w_k = 0 *)
Lemma W_alpha0 a : \sum_k W a k * al k = 0.
Proof.
case: crit => c1 _; under eq_bigr do rewrite -c1.
rewrite exchange_big big1 //= => i _; by rewrite -mulr_sumr G_sum0 mulr0.
Qed.

(* a gradient that is not zero has two entries that are not *)
Lemma two_supp i k : G k i != 0 -> exists2 j, j != k & G j i != 0.
Proof.
move=> Gk; apply: contrapT => nj.
have := G_sum0 i; rewrite (bigD1 k) //= big1 ?addr0 => [e|j jk]; first by rewrite e eqxx in Gk.
by apply/eqP/negPn/negP => Gj; apply: nj; exists j.
Qed.

(* beta_i = 0, so W g_i = 0: some v orthogonal to h_i has the same inner product with all classifiers *)
Lemma common_product i : (K <= d)%N -> be i = 0 ->
  exists (v : 'I_d -> R) (c : R), [/\ (exists a, v a != 0), bdot v H i = 0 & forall k, bdot v W k = c].
Proof.
move=> dK b0; have [k0 Gk0] := gn0 i; have [k1 k10 Gk1] := two_supp Gk0.
pose B : 'M[R]_(d,K) := \matrix_(a,k) (if k == k0 then H a i else if k == k1 then 0 else W a k - W a k0).
have rB : (\rank B < K)%N.
  apply: (@rank_ker _ _ _ _ (delta R k1) k1); first by rewrite /delta eqxx oner_neq0.
  by move=> a; rewrite sum_delta mxE (negPf k10) eqxx.
have [v [va vB]] := exists_orth (leq_trans rB dK).
have vk k : k != k0 -> k != k1 -> bdot v W k = bdot v W k0.
  move=> n0 n1; apply/eqP; rewrite -subr_eq0 -(vB k) /bdot -sumrB; apply/eqP.
  by apply: eq_bigr => c _; rewrite mxE (negPf n0) (negPf n1); ring.
exists v, (bdot v W k0); split=> //.
  by rewrite -(vB k0); apply: eq_bigr => c _; rewrite mxE eqxx.
move=> k; case: (eqVneq k k0) => [->//|n0]; case: (eqVneq k k1) => [->|n1]; last exact: vk.
have : \sum_k (bdot v W k - bdot v W k0) * G k i = 0.
  under eq_bigr do rewrite mulrBl.
  by rewrite sumrB -mulr_sumr G_sum0 mulr0 subr0 bdot_Wg // b0 mulr0.
rewrite (bigD1 k1) //= big1 ?addr0 => [/eqP|k' kk1].
  by rewrite mulf_eq0 (negPf Gk1) orbF subr_eq0 => /eqP.
by case: (eqVneq k' k0) => [->|kk0]; rewrite ?subrr ?mul0r // vk // subrr mul0r.
Qed.

(* equality in Cauchy's inequality: all classifiers are v / c *)
Lemma aligned v c a' : v a' != 0 -> (forall k, bdot v W k = c) -> sqn v = c ^+ 2 ->
  forall k a, W a k = v a / c.
Proof.
move=> va vW vc k a.
have c0 : c != 0.
  by apply/eqP => c0; have := sqn_gt0 va; rewrite vc c0 expr0n /= ltxx.
apply/eqP; rewrite -subr_eq0; case: (eqVneq (W a k - v a / c) 0) => // ne.
have := @sqn_gt0 R d (fun a => W a k - v a / c) a ne.
have -> : sqn (fun a => W a k - v a / c) = dotc W W k k - 2 / c * bdot v W k + sqn v / c ^+ 2.
  rewrite /sqn /dotc /bdot mulr_sumr mulr_suml -sumrB -big_split /=; apply: eq_bigr => e _; field; exact: c0.
rewrite uW vW vc mulfV ?expf_neq0 // divfK //.
by rewrite (_ : 1 - 2 + 1 = 0) ?ltxx //; ring.
Qed.

(* some beta_i = 0: the feature turns; if all classifiers agree, off their line (here d >= 3 is used) *)
Lemma caseA i : (K <= d)%N -> (2 < d)%N -> be i = 0 -> neg_curv g Q W H.
Proof.
move=> dK d3 b0; have [k0 Gk0] := gn0 i.
have [v [c [[a va] vH vW]]] := common_product dK b0.
have [vc|vc] := eqVneq (sqn v) (c ^+ 2); last exact: (turn uW vH vW (or_intror sh) b0 Gk0 vc).
have [b [[a' ba] bW bH]] := exists_orth2 W H k0 i d3.
apply: (turn_off b0 Gk0 ba bH) => k; rewrite -bW.
by apply: eq_bigr => e _; rewrite !(aligned va vW vc).
Qed.

(* ---- Case B ---- *)
Section CaseB.
(* where beta_i is zero, so is g_i *)
Hypothesis gb : forall i, be i = 0 -> forall k, G k i = 0.

(* W invertible: sum_i g_i g_i^T / beta_i = 0, so some beta_i > 0, and that feature moves along W^-T 1 *)
Lemma caseB_sum : row_full W -> forall m k, \sum_i G k i * G m i / be i = 0.
Proof.
move=> fW m k.
have al0 : forall k, al k = 0 by apply: (full_inj fW); apply: W_alpha0.
apply: (full_inj (c := fun k => \sum_i G k i * G m i / be i) fW) => a.
transitivity (\sum_i H a i * G m i); last by case: crit => -> _; rewrite al0 mulr0.
under eq_bigr do rewrite mulr_sumr.
rewrite exchange_big /=; apply: eq_bigr => i _; have [b0|b0] := eqVneq (be i) 0.
  by rewrite (gb b0 m) mulr0 big1 // => k' _; rewrite mulr0 mul0r mulr0.
rewrite (H_eq crit) // !mulr_suml; by apply: eq_bigr => k' _; ring.
Qed.

Variables (i0 : 'I_N) (k0 : 'I_K).
Hypotheses (Gk0 : G k0 i0 != 0) (fW : row_full W).

Lemma caseB_positive : exists i, 0 < be i.
Proof.
apply: contrapT => /forallNP nbe.
have bneg i : be i <= 0 by rewrite leNgt; apply/negP/nbe.
have p i : 0 <= - (G k0 i * G k0 i / be i).
  by rewrite -mulrN mulr_ge0 // -?expr2 ?sqr_ge0 // -invrN invr_ge0 oppr_ge0.
have : 0 < \sum_i - (G k0 i * G k0 i / be i).
  rewrite (bigD1 i0) //=; apply: ltr_paddr; first by apply: sumr_ge0.
  rewrite lt_neqAle p andbT eq_sym oppr_eq0 !mulf_neq0 // invr_eq0; apply/eqP => b0.
  by move: Gk0; rewrite gb ?eqxx.
by rewrite sumrN caseB_sum // oppr0 ltxx.
Qed.

Lemma caseB_full : neg_curv g Q W H.
Proof.
have [i bi] := caseB_positive.
pose vm := (const_mx 1 : 'rV[R]_K) *m pinvmx W.
pose v := fun a => vm 0 a.
have vW k : bdot v W k = 1.
  have : vm *m W = const_mx 1 by rewrite -mulmxA mulVpmx // mulmx1.
  by move/matrixP/(_ 0 k); rewrite !mxE.
have vH : bdot v H i = 0.
  rewrite (bdot_H crit) ?gt_eqF //; under eq_bigr do rewrite vW mul1r.
  by rewrite G_sum0 mul0r.
have [a va] : exists a, v a != 0.
  apply: contrapT => /forallNP v0.
  have := vW k0; rewrite /bdot big1 => [|a _]; last first.
    by move/negP: (v0 a); rewrite negbK => /eqP ->; rewrite mul0r.
  by move/esym/eqP; rewrite oner_eq0.
apply: (neg_one vH); rewrite big1 => [|k' _]; last first.
  by under eq_bigr do rewrite !vW !mulr1; case: sh.
by rewrite sub0r oppr_lt0 mulr_gt0 // (sqn_gt0 va).
Qed.
End CaseB.

(* no beta_i is zero: all features lie in the span of the classifiers *)
Lemma caseB_deficient : (forall i, be i != 0) -> (\rank W < d)%N -> psd g W H \/ neg_curv g Q W H.
Proof.
move=> bn0 /exists_orth [b [[a ba] bW]]; apply: (deficient g Q ba bW) => i.
by rewrite (bdot_H crit) // big1 ?mul0r // => k _; rewrite bW mul0r.
Qed.
End TheoremC.

Lemma dichotomy_C_shift (R : realType) (d K N : nat)
  (g : 'I_N -> ('I_K -> R) -> 'I_K -> R) (Q : 'I_N -> ('I_K -> R) -> 'I_K -> 'I_K -> R)
  (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)) : unitc W -> critical g W H ->
  (forall i, exists k, Gm g W H k i != 0) -> shift_inv g Q -> (K <= d)%N -> (2 < d)%N ->
  psd g W H \/ neg_curv g Q W H.
Proof.
move=> uW crit gn0 sh dK d3.
have [[i b0]|nb] := EM (exists i, beta g W H i = 0).
  by right; apply: (caseA uW crit gn0 sh dK d3 b0).
have bn0 i : beta g W H i != 0 by apply/eqP => b0; apply: nb; exists i.
case: (ltnP (\rank W) d) => [rW|rW]; first exact: caseB_deficient.
have fW : row_full W by rewrite -col_leq_rank; apply: leq_trans rW.
have [[i0 _]|nN] := EM (exists i : 'I_N, True).
  right; have [k0 Gk0] := gn0 i0.
  by apply: (caseB_full crit sh _ Gk0 fW) => i b0; have := bn0 i; rewrite b0 eqxx.
by left; apply: psd_trivial => k i; case: nN; exists i.
Qed.
