(* Theorem G: the least cost of balanced classes, for convex losses that treat all classes alike. docs/theory.md, "Other
   losses", the minima. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.classical Require Import boolp classical_sets functions.
From mathcomp.analysis Require Import reals signed topology normedtype sequences derive realfun exp trigo.
From mathcomp Require Import ring.
From Sphere Require Import Definitions Algebra Calculus Landscape CrossEntropy Collapse Losses.
Set Implicit Arguments. Unset Strict Implicit. Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Import numFieldTopology.Exports numFieldNormedType.Exports.
Local Open Scope ring_scope.

(* ---- definitions that the statements use ---- *)
Section TwoValues.
Variables (R : realType) (K N : nat) (y : 'I_N -> 'I_K) (om : 'I_N -> R).
(* scores with the value b at the label and c at every other class *)
Definition two_values i (b c : R) : 'I_K -> R := fun k => if k == y i then b else c.
(* the same loss for every sample and class, times the weight of the sample: at scores with two values it is phi, and its
   gradient has the entry p at the label and r elsewhere *)
Definition alike (l : 'I_N -> ('I_K -> R) -> R) (g : 'I_N -> ('I_K -> R) -> 'I_K -> R) (phi p r : R -> R -> R) :=
  forall i b c, l i (two_values i b c) = om i * phi b c /\
    forall k, g i (two_values i b c) k = om i * (if k == y i then p b c else r b c).
(* the mean own score b and the mean other score c that points with unit columns have *)
Definition in_range (b c : R) := `|b + (K%:R - 1) * c| + (K%:R - 1) * `|b - c| <= K%:R.
End TwoValues.

Section TheoremG.
Variables (R : realType) (d K N : nat) (y : 'I_N -> 'I_K) (om : 'I_N -> R).
Variables (l : 'I_N -> ('I_K -> R) -> R) (g : 'I_N -> ('I_K -> R) -> 'I_K -> R) (phi p r : R -> R -> R).
Hypotheses (K2 : (1 < K)%N) (om0 : forall i, 0 < om i) (bal : balanced y om).
Hypotheses (cx : convex l g) (al : alike y om l g phi p r).

Let K0 : (0 : R) < K%:R := K0 R K2.
Let K1 : (0 : R) < K%:R - 1 := K1 R K2.
Let KN : K%:R != 0 :> R. Proof. by rewrite gt_eqF. Qed.
Let KN1 : K%:R - 1 != 0 :> R. Proof. by rewrite gt_eqF. Qed.

Lemma sum_others (F : 'I_K -> R) j : \sum_(k | k != j) F k = \sum_k F k - F j.
Proof. by rewrite [in RHS](bigD1 j) //= addrC addKr. Qed.

Lemma sum_const (x : R) : \sum_(k < K) x = K%:R * x.
Proof. by rewrite sumr_const card_ord mulr_natl. Qed.

(* the tangent of a loss at scores with two values *)
Lemma two_tangent i b c (z : 'I_K -> R) : \sum_k g i (two_values y i b c) k * (z k - two_values y i b c k) =
  om i * (p b c * (z (y i) - b) + r b c * (\sum_k z k - z (y i) - (K%:R - 1) * c)).
Proof.
have [_ gE] := al i b c.
rewrite (bigD1 (y i)) //= gE /two_values eqxx.
rewrite (eq_bigr (fun k => om i * r b c * (z k - c))) => [|k /negPf ky]; last by rewrite gE ky.
rewrite sum_others /= -mulr_sumr sumrB sum_const. set S := \sum_k z k. ring.
Qed.

Section Bound.
Variables (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)).
Hypotheses (uW : unitc W) (uH : unitc H).
(* the mean own score, and the mean sum of scores *)
Definition mean_own := \sum_i om i * dotc W H (y i) i.
Definition mean_sum := \sum_i om i * \sum_k dotc W H k i.
Definition mean_other := (mean_sum - mean_own) / (K%:R - 1).

(* Jensen's inequality by a tangent: the cost is at least phi at the means *)
Lemma cost_ge_means : phi mean_own mean_other <= total l W H.
Proof.
set b := mean_own; set c := mean_other.
have h i : om i * (phi b c + p b c * (dotc W H (y i) i - b)
    + r b c * (\sum_k dotc W H k i - dotc W H (y i) i - (K%:R - 1) * c)) <= l i (fun k => dotc W H k i).
  have [lE _] := al i b c; have := cx i (two_values y i b c) (fun k => dotc W H k i).
  by rewrite two_tangent lE ler_subr_addl -mulrDr addrA.
apply: le_trans (ler_sum _ (fun i _ => h i)); rewrite le_eqVlt; apply/orP; left; apply/eqP.
have e1 : \sum_i om i = 1 := sum_om K2 bal.
transitivity (\sum_i om i * phi b c + (p b c * (\sum_i om i * dotc W H (y i) i - (\sum_i om i) * b)
  + r b c * (mean_sum - mean_own - (\sum_i om i) * ((K%:R - 1) * c)))).
  rewrite -mulr_suml e1 !mul1r -/mean_own -/b subrr mulr0 add0r.
  by rewrite /c /mean_other [(K%:R - 1) * _]mulrC divfK // subrr mulr0 addr0.
rewrite /mean_sum /mean_own !mulr_suml -!sumrB !mulr_sumr -!big_split /=; apply: eq_bigr => i _; ring.
Qed.

Let wb a := (K%:R)^-1 * \sum_k W a k.
Let hb a := \sum_i om i * H a i.

Lemma amgm (x z : 'I_d -> R) : `|\sum_a x a * z a| <= (\sum_a x a ^+ 2 + \sum_a z a ^+ 2) / 2.
Proof.
rewrite ler_norml -subr_ge0 -[X in _ && X]subr_ge0; apply/andP; split.
- have -> : \sum_a x a * z a - - ((\sum_a x a ^+ 2 + \sum_a z a ^+ 2) / 2) = (\sum_a (x a + z a) ^+ 2) / 2.
    rewrite opprK -big_split /= !mulr_suml -big_split /=; by apply: eq_bigr => a _; field.
  by rewrite divr_ge0 // sumr_ge0 // => a _; apply: sqr_ge0.
have -> : (\sum_a x a ^+ 2 + \sum_a z a ^+ 2) / 2 - \sum_a x a * z a = (\sum_a (x a - z a) ^+ 2) / 2.
  rewrite -big_split /= !mulr_suml -sumrB; by apply: eq_bigr => a _; field.
by rewrite divr_ge0 // sumr_ge0 // => a _; apply: sqr_ge0.
Qed.

Lemma means_in_range : in_range K mean_own mean_other.
Proof.
have KwE a : \sum_k W a k = K%:R * wb a by rewrite /wb mulrA divff // mul1r.
have wE a : \sum_i om i * W a (y i) = wb a by rewrite (sum_class bal (fun k => W a k)).
have e1 : \sum_i om i = 1 := sum_om K2 bal.
have mE : mean_sum = K%:R * \sum_a wb a * hb a.
  rewrite /mean_sum mulr_sumr; transitivity (\sum_i \sum_a om i * (K%:R * wb a * H a i)).
    by apply: eq_bigr => i _; rewrite exchange_big mulr_sumr; apply: eq_bigr => a _; rewrite -KwE mulr_suml.
  rewrite exchange_big; apply: eq_bigr => a _; rewrite /hb !mulr_sumr; apply: eq_bigr => i _; ring.
have sE : mean_own - K%:R^-1 * mean_sum = \sum_i om i * \sum_a (W a (y i) - wb a) * (H a i - hb a).
  rewrite mE mulKf //.
  transitivity (\sum_a (\sum_i om i * (W a (y i) * H a i) - wb a * hb a)).
    rewrite sumrB; congr (_ - _); rewrite exchange_big /=; apply: eq_bigr => i _.
    by rewrite /dotc mulr_sumr.
  under [RHS]eq_bigr do rewrite mulr_sumr.
  rewrite [RHS]exchange_big /=; apply: eq_bigr => a _.
  transitivity (\sum_i om i * (W a (y i) * H a i) - (hb a * (\sum_i om i * W a (y i))
    + wb a * (\sum_i om i * H a i) - wb a * hb a * \sum_i om i)).
    rewrite wE e1 -/(hb a); move: (wb a) (hb a) (\sum_i _) => u v T; ring.
  move: (wb a) (hb a) => u v.
  rewrite !mulr_sumr -big_split -!sumrB /=; apply: eq_bigr => i _; ring.
have HH i : \sum_a H a i ^+ 2 = 1 by rewrite -(uH i); apply: eq_bigr => a _; rewrite expr2.
have WW k : \sum_a W a k ^+ 2 = 1 by rewrite -(uW k); apply: eq_bigr => a _; rewrite expr2.
(* the variances of labels' classifiers and of features, and their means: together 1 each *)
have var (A : 'I_d -> 'I_N -> R) (m : 'I_d -> R) : (forall a, \sum_i om i * A a i = m a) ->
    (forall i, \sum_a A a i ^+ 2 = 1) -> \sum_i om i * (\sum_a (A a i - m a) ^+ 2) = 1 - \sum_a m a ^+ 2.
  move=> mA A1; transitivity (\sum_a (\sum_i om i * A a i ^+ 2 - 2 * m a * (\sum_i om i * A a i) + m a ^+ 2 * \sum_i om i)).
    under eq_bigr do rewrite mulr_sumr.
    rewrite exchange_big /=; apply: eq_bigr => a _.
    rewrite !mulr_sumr -sumrB -big_split /=; apply: eq_bigr => i _; ring.
  rewrite (eq_bigr (fun a => \sum_i om i * A a i ^+ 2 - m a ^+ 2)) => [|a _]; last by rewrite mA e1; ring.
  rewrite sumrB exchange_big /=; congr (_ - _).
  by under eq_bigr do rewrite -mulr_sumr A1 mulr1.
have le : `|\sum_a wb a * hb a| + `|mean_own - K%:R^-1 * mean_sum| <= 1.
  have h1 := amgm wb hb.
  have h2 : `|mean_own - K%:R^-1 * mean_sum| <= \sum_i om i *
      ((\sum_a (W a (y i) - wb a) ^+ 2 + \sum_a (H a i - hb a) ^+ 2) / 2).
    rewrite sE; apply: le_trans (ler_norm_sum _ _ _) _; apply: ler_sum => i _.
    rewrite normrM gtr0_norm // ler_pmul2l //; exact: amgm.
  apply: le_trans (ler_add h1 h2) _; rewrite le_eqVlt; apply/orP; left; apply/eqP.
  transitivity ((\sum_a wb a ^+ 2 + \sum_a hb a ^+ 2) / 2 + (\sum_i om i * (\sum_a (W a (y i) - wb a) ^+ 2)
    + \sum_i om i * (\sum_a (H a i - hb a) ^+ 2)) / 2).
    congr (_ + _); rewrite -big_split mulr_suml /=; apply: eq_bigr => i _; ring.
  rewrite (var (fun a i => W a (y i)) wb) // (var (fun a i => H a i) hb) //.
  by move: (\sum_a wb a ^+ 2) (\sum_a hb a ^+ 2) => u v; field.
have e2 : mean_own - mean_other = K%:R / (K%:R - 1) * (mean_own - K%:R^-1 * mean_sum).
  rewrite /mean_other; field; by rewrite KN KN1.
have e3 : mean_own + (K%:R - 1) * mean_other = mean_sum.
  by rewrite /mean_other; field.
rewrite /in_range e3 e2 normrM [`|K%:R / _|]gtr0_norm ?divr_gt0 //.
have -> : `|mean_sum| = K%:R * `|\sum_a wb a * hb a| by rewrite mE normrM gtr0_norm.
move: `|mean_own - _| `|\sum_a _| le => A B le.
have -> : K%:R * B + (K%:R - 1) * (K%:R / (K%:R - 1) * A) = K%:R * (B + A) by field.
by rewrite -[X in _ <= X]mulr1 ler_pmul2l.
Qed.

Lemma bound_G : exists b c, in_range K b c /\ phi b c <= total l W H.
Proof. by exists mean_own, mean_other; split; [apply: means_in_range|apply: cost_ge_means]. Qed.

(* where a simplex frame is best: the tangent at its scores, bounded on the range *)
Lemma simplex_bound (b := 1 : R) (c := - (K%:R - 1)^-1 : R) :
  `|p b c + (K%:R - 1) * r b c| <= r b c - p b c -> phi b c <= total l W H.
Proof.
move=> ineq; have rg := means_in_range; set B := mean_own in rg; set C := mean_other in rg.
suff : phi b c <= phi B C by move=> h; apply: le_trans h cost_ge_means.
have [i _] : exists i : 'I_N, True.
  apply: contrapT => nN; have := sum_om K2 bal; rewrite big1 => [/esym/eqP|i _]; first by rewrite oner_eq0.
  by case: nN; exists i.
have [lE _] := al i b c; have [lE' _] := al i B C.
have := cx i (two_values y i b c) (two_values y i B C); rewrite lE lE' -mulrBr two_tangent ler_pmul2l //.
have -> : two_values y i B C (y i) = B by rewrite /two_values eqxx.
have -> : \sum_k two_values y i B C k - B = (K%:R - 1) * C.
  rewrite (bigD1 (y i)) //= {1}/two_values eqxx addrC addKr.
  rewrite (eq_bigr (fun=> C)) => [|k /negPf ky]; last by rewrite /two_values ky.
  by rewrite sum_others /= sum_const; ring.
move=> h; rewrite -subr_ge0; apply: le_trans h.
move: rg ineq; rewrite /in_range; set P := p b c; set Q := r b c.
set m := B + (K%:R - 1) * C; set s := B - C; set A := P + _ => rg ineq.
have -> : P * (B - b) + Q * ((K%:R - 1) * C - (K%:R - 1) * c) = (A * m - (Q - P) * ((K%:R - 1) * s)) / K%:R + (Q - P).
  by rewrite /A /m /s /b /c; field; rewrite KN KN1.
have h1 : - ((Q - P) * `|m|) <= A * m.
  rewrite ler_oppl; apply: le_trans (ler_norm _) _; rewrite normrN normrM ler_pmul //.
have QP : 0 <= Q - P by apply: le_trans ineq.
have h2 : (Q - P) * ((K%:R - 1) * s) <= (Q - P) * ((K%:R - 1) * `|s|).
  by rewrite ler_wpmul2l // ler_pmul2l // ler_norm.
have h3 : (Q - P) * (`|m| + (K%:R - 1) * `|s|) <= (Q - P) * K%:R by rewrite ler_wpmul2l.
rewrite -[X in _ + X](mulfK KN) -mulrDl divr_ge0 ?(ltW K0) //.
rewrite -subr_ge0 in h1; rewrite -subr_ge0 in h2; rewrite -subr_ge0 in h3.
have := addr_ge0 (addr_ge0 h1 h2) h3; congr (0 <= _); ring.
Qed.
End Bound.
End TheoremG.

(* ---- attained: simplex frames tilted towards a vector orthogonal to them ---- *)
Section Tilted.
Variables (R : realType) (d K N : nat) (y : 'I_N -> 'I_K) (om : 'I_N -> R).
Variables (l : 'I_N -> ('I_K -> R) -> R) (g : 'I_N -> ('I_K -> R) -> 'I_K -> R) (phi p r : R -> R -> R).
Hypotheses (K2 : (1 < K)%N) (bal : balanced y om) (al : alike y om l g phi p r).

(* the cost where all own scores are b and all others c *)
Lemma total_two (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)) b c :
  (forall k i, dotc W H k i = two_values y i b c k) -> total l W H = phi b c.
Proof.
move=> e; rewrite -[RHS]mul1r -(sum_om K2 bal) mulr_suml; apply: eq_bigr => i _.
by have [<- _] := al i b c; congr l; apply/funext => k; rewrite e.
Qed.

Lemma simplex_value (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)) : simplex W -> (forall i a, H a i = W a (y i)) ->
  total l W H = phi 1 (- (K%:R - 1)^-1).
Proof.
move=> sW HW; have K1 := K1 R K2; have K0 := K0 R K2; apply: total_two => k i.
have -> : dotc W H k i = dotc W W k (y i) by apply: eq_bigr => a _; rewrite HW.
by rewrite sW /two_values; case: eqP => _; [rewrite mulr1n|rewrite mulr0n]; field; rewrite !gt_eqF.
Qed.

Hypothesis dK : (K <= d)%N.
Let E := etf R d K.
(* the unit vector (1, ..., 1, 0, ..., 0) / sqrt K *)
Let e (a : 'I_d) : R := if (a < K)%N then Num.sqrt (K%:R)^-1 else 0.

Lemma sum_first (F : nat -> R) : \sum_(a < d) (if (a < K)%N then F a else 0) = \sum_(a < K) F a.
Proof. by rewrite (big_ord_widen d F dK) [RHS]big_mkcond. Qed.

Lemma tilt_unit : \sum_(a < d) e a * e a = 1.
Proof.
have K0 := K0 R K2.
rewrite (eq_bigr (fun a : 'I_d => if (a < K)%N then (K%:R : R)^-1 else 0)) => [|a _]; last first.
  by rewrite /e; case: ifP => _; rewrite ?mul0r // -expr2 sqr_sqrtr // invr_ge0 ltW.
rewrite (sum_first (fun=> (K%:R)^-1)) sumr_const card_ord.
by rewrite -[LHS](mulr_natl (K%:R)^-1 K) divff // gt_eqF.
Qed.

Lemma tilt_orth k : \sum_(a < d) e a * E a k = 0.
Proof.
have K0 := K0 R K2.
pose F (a : nat) : R := Num.sqrt (K%:R)^-1 * (Num.sqrt (K%:R / (K%:R - 1)) * ((a == k :> nat)%:R - (K%:R)^-1)).
rewrite (eq_bigr (fun a : 'I_d => if (a < K)%N then F a else 0)) => [|a _]; last first.
  by rewrite /e /E /etf mxE; case: ifP => _; rewrite ?mul0r.
rewrite sum_first /F -!mulr_sumr sumrB (bigD1 k) //= eqxx big1 ?addr0 => [|a /negPf ne]; last by rewrite -[_ == _]/(a == k) ne.
by rewrite sumr_const card_ord -(mulr_natl (K%:R)^-1 K) divff ?gt_eqF // subrr !mulr0.
Qed.

Definition tilted n (lab : 'I_n -> 'I_K) (t : R) : 'M[R]_(d,n) := \matrix_(a,j) (cos t * E a (lab j) + sin t * e a).

Lemma dotc_tilted n m (lab : 'I_n -> 'I_K) (lab' : 'I_m -> 'I_K) s t j i :
  dotc (tilted lab s) (tilted lab' t) j i = cos s * cos t * dotc E E (lab j) (lab' i) + sin s * sin t.
Proof.
transitivity (cos s * cos t * dotc E E (lab j) (lab' i) + cos s * sin t * (\sum_a e a * E a (lab j))
  + sin s * cos t * (\sum_a e a * E a (lab' i)) + sin s * sin t * (\sum_(a < d) e a * e a)); last first.
  by rewrite !tilt_orth tilt_unit; ring.
by rewrite /dotc !mulr_sumr -!big_split; apply: eq_bigr => a _; rewrite !mxE /=; ring.
Qed.

Lemma tilted_unit n (lab : 'I_n -> 'I_K) t : unitc (tilted lab t).
Proof. by move=> j; rewrite dotc_tilted (simplex_unit K2 (etf_simplex R K2 dK)) mulr1 -!expr2 cos2Dsin2. Qed.

Lemma half_sums (x z s m : R) : x + z = s + m -> x - z = s - m -> x = s /\ z = m.
Proof.
move=> h1 h2; have mid x' z' : x' = ((x' + z') + (x' - z')) / 2 :> R by field.
have xs : x = s by rewrite (mid x z) (mid s m) h1 h2.
by split=> //; apply: (addrI s); rewrite -h1 xs.
Qed.

Lemma attained_G b c : in_range K b c -> exists (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)),
  [/\ unitc W, unitc H & total l W H = phi b c].
Proof.
have K1 := K1 R K2; have K0 := K0 R K2; have KN : K%:R != 0 :> R by rewrite gt_eqF.
rewrite /in_range => rg; pose s := (K%:R - 1) * (b - c) / K%:R; pose m := (b + (K%:R - 1) * c) / K%:R.
have le : `|s| + `|m| <= 1.
  rewrite !normrM (gtr0_norm K1) [`|_^-1|]gtr0_norm ?invr_gt0 // -mulrDl ler_pdivr_mulr // mul1r addrC //.
have in1 (x : R) : `|x| <= `|s| + `|m| -> x \in `[(-1), 1].
  by move=> h; rewrite in_itv /= -ler_norml; apply: le_trans h le.
pose A := acos (s + m); pose B := acos (s - m).
have cA : cos A = s + m by rewrite acosK // in1 // ler_norm_add.
have cB : cos B = s - m by rewrite acosK // in1 // ler_norm_sub.
pose t := (A + B) / 2; pose u := (B - A) / 2.
have tu1 : t - u = A by rewrite /t /u; field.
have tu2 : t + u = B by rewrite /t /u; field.
have e1 : cos t * cos u + sin t * sin u = s + m by rewrite -cosB tu1.
have e2 : cos t * cos u - sin t * sin u = s - m by rewrite -cosD tu2.
have [cc ss] := half_sums e1 e2.
exists (tilted id t), (tilted y u); split; try exact: tilted_unit.
apply: total_two => k i; rewrite dotc_tilted cc ss (etf_simplex R K2 dK) /two_values /s /m.
by case: eqP => _; [rewrite mulr1n|rewrite mulr0n]; field; rewrite KN gt_eqF.
Qed.
End Tilted.
