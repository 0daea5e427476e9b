(* Derivatives of functions of one real variable, and curves on the spheres. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.classical Require Import boolp classical_sets functions.
From mathcomp.analysis Require Import reals signed topology normedtype sequences derive realfun exp.
From mathcomp Require Import ring.
From Sphere Require Import Definitions Algebra.
Set Implicit Arguments. Unset Strict Implicit. Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Import numFieldTopology.Exports numFieldNormedType.Exports.
Local Open Scope ring_scope.

Section Rules.
Variable R : realType.
Implicit Types (f g : R -> R) (t : R).
Local Notation D t f l := (is_derive (t : R) (1 : R) (f : R -> R) (l : R)).

Lemma D_eq t f (l l' : R) : D t f l -> l = l' -> D t f l'.
Proof. by move=> h <-. Qed.

Lemma D_ext t f g (l : R) : D t f l -> f =1 g -> D t g l.
Proof. by move=> h /funext <-. Qed.

Lemma D_unique t f (l l' : R) : D t f l -> D t f l' -> l = l'.
Proof. by move=> [_ <-] [_ <-]. Qed.

Lemma D_const t (c : R) : D t (fun=> c) 0.
Proof. exact: is_derive_cst. Qed.

Lemma D_id t : D t (fun x => x) 1.
Proof. exact: is_derive_id. Qed.

Lemma D_add t f g (a b : R) : D t f a -> D t g b -> D t (fun x => f x + g x) (a + b).
Proof. by move=> ha hb; exact: is_deriveD. Qed.

Lemma D_sub t f g (a b : R) : D t f a -> D t g b -> D t (fun x => f x - g x) (a - b).
Proof. by move=> ha hb; exact: is_deriveB. Qed.

Lemma D_mul t f g (a b : R) : D t f a -> D t g b -> D t (fun x => f x * g x) (a * g t + f t * b).
Proof.
move=> ha hb; apply: D_eq (@is_deriveM R _ f g t 1 a b ha hb) _.
by rewrite /GRing.scale /= addrC mulrC.
Qed.

Lemma D_scale t f (a c : R) : D t f a -> D t (fun x => c * f x) (c * a).
Proof. by move=> ha; apply: D_eq (D_mul (D_const t c) ha) _; rewrite mul0r add0r. Qed.

Lemma D_sum t n (h : 'I_n -> R -> R) (dh : 'I_n -> R) :
  (forall i, D t (h i) (dh i)) -> D t (fun x => \sum_i h i x) (\sum_i dh i).
Proof.
move=> hd; have -> : (fun x => \sum_i h i x) = \sum_(i < n) h i.
  by apply/funext => x; rewrite fct_sumE.
exact: is_derive_sum.
Qed.

Lemma D_exp t f (a : R) : D t f a -> D t (fun x => expR (f x)) (expR (f t) * a).
Proof. by move=> ha; exact: is_derive1_comp. Qed.

Lemma D_ln t f (a : R) : 0 < f t -> D t f a -> D t (fun x => ln (f x)) (a / f t).
Proof.
move=> f0 ha; have h := is_derive1_ln f0.
by apply: D_eq (is_derive1_comp h ha) _; rewrite mulrC.
Qed.

Lemma D_comp t f g (a b : R) : D (g t) f a -> D t g b -> D t (fun x => f (g x)) (a * b).
Proof. by move=> ha hb; exact: is_derive1_comp. Qed.

Lemma D_inv t f (a : R) : f t != 0 -> D t f a -> D t (fun x => (f x)^-1) (- a / f t ^+ 2).
Proof.
move=> f0 ha; apply: D_eq (is_deriveV f0 ha) _.
by rewrite /GRing.scale /= mulNr mulNr mulrC.
Qed.

End Rules.

Section OneVar.
Variable R : realType.
Implicit Types (f g : R -> R) (t : R).

Lemma D_cont t f (l : R) : is_derive (t : R) (1 : R) f l -> {for t, continuous f}.
Proof.
by move=> [h _]; apply: differentiable_continuous; apply/derivable1_diffP.
Qed.

(* second-derivative test: derivative zero, second derivative negative, hence lower values arbitrarily near *)
Lemma second_test f (f1 : R -> R) (c : R) :
  (forall t : R, is_derive t (1 : R) f (f1 t)) -> f1 0 = 0 ->
  is_derive (0 : R) (1 : R) f1 c -> c < 0 ->
  forall e : R, 0 < e -> exists2 t, 0 < t < e & f t < f 0.
Proof.
move=> df f10 /is_derive1_caratheodory [g [gE gc g0]] c0 e e0.
have : \forall x \near (0 : R), g x < 0.
  by apply: (@cvgr_lt R R (nbhs (0 : R)) _ g (g 0) gc); rewrite g0.
move/nbhs_ballP => [r /= r0 hr].
pose t := Num.min e r / 2.
have m0 : 0 < Num.min e r by rewrite lt_minr e0.
have t0 : 0 < t by rewrite divr_gt0.
have tm : t < Num.min e r by rewrite ltr_pdivr_mulr // mulr_natr mulr2n ltr_addl.
exists t; first by rewrite t0 /=; apply: lt_le_trans tm _; rewrite le_minl lexx.
have cont : {within `[0, t]%classic, continuous f}.
  by apply: continuous_subspaceT => x; apply: D_cont (df x).
have [s] := @MVT R f f1 0 t t0 (fun z _ => df z) cont.
rewrite in_itv /= => /andP[s0 st] e1.
rewrite -subr_lt0 e1 subr0 pmulr_llt0 //.
have -> : f1 s = g s * s by have := gE s; rewrite f10 !subr0.
rewrite pmulr_llt0 //; apply: hr; rewrite /ball /= sub0r normrN gtr0_norm //.
by apply: lt_trans st _; apply: lt_le_trans tm _; rewrite le_minl lexx orbT.
Qed.

(* Fermat: the derivative vanishes at a local minimum *)
Lemma fermat f (l e : R) : 0 < e -> (forall t : R, derivable f t 1) ->
  is_derive (0 : R) (1 : R) f l -> (forall t, `|t| < e -> f 0 <= f t) -> l = 0.
Proof.
move=> e0 df dl mn.
have i0 : 0 \in `]-e, e[%R by rewrite in_itv /= oppr_lt0 e0.
have le : - e <= e by apply: (@le_trans _ _ 0); rewrite ?oppr_le0 ltW.
have := @derive1_at_min R f (- e) e 0 le (fun t _ => df t) i0.
have hm : forall t, t \in `]-e, e[%R -> f 0 <= f t.
  by move=> t; rewrite in_itv /= -ltr_norml => /mn.
by move/(_ hm) => d0; apply: D_unique dl d0.
Qed.

(* nu s t = 1 / sqrt (1 + t^2 s) *)
Definition nu (s t : R) : R := (Num.sqrt (1 + t ^+ 2 * s))^-1.
Definition nu1 (s t : R) : R := - (t * s) * (nu s t * (1 + t ^+ 2 * s)^-1).

Variable s : R.
Hypothesis s0 : 0 <= s.
Lemma nuarg t : 0 < 1 + t ^+ 2 * s.
Proof. by rewrite ltr_paddr // mulr_ge0 // sqr_ge0. Qed.

Lemma nuE t : nu s t = expR (- (1 / 2) * ln (1 + t ^+ 2 * s)).
Proof.
have h := nuarg t; rewrite /nu.
have e : expR (ln (1 + t ^+ 2 * s)) = 1 + t ^+ 2 * s by rewrite lnK ?qualifE.
have -> : Num.sqrt (1 + t ^+ 2 * s) = expR ((1 / 2) * ln (1 + t ^+ 2 * s)).
  rewrite -[RHS]ger0_norm ?ltW ?expR_gt0 // -sqrtr_sqr; congr (Num.sqrt _).
  rewrite [RHS]expr2 -expRD -mulrDl (_ : 1 / 2 + 1 / 2 = 1 :> R) ?mul1r ?e //.
  by field.
by rewrite -expRN mulNr.
Qed.

Lemma D_arg t : is_derive (t : R) (1 : R) (fun t => 1 + t ^+ 2 * s) (2 * t * s).
Proof.
have h := D_add (D_const t 1) (D_mul (D_mul (D_id t) (D_id t)) (D_const t s)).
apply: D_eq (D_ext h _) _; last by ring.
by move=> x; rewrite expr2.
Qed.

Lemma D_nu t : is_derive (t : R) (1 : R) (nu s) (nu1 s t).
Proof.
have h := D_exp (D_scale (- (1 / 2)) (@D_ln R t (fun t => 1 + t ^+ 2 * s) _ (nuarg t) (D_arg t))).
apply: D_eq (D_ext h _) _; first by move=> x; rewrite nuE.
rewrite -nuE /nu1; field.
by rewrite gt_eqF // nuarg.
Qed.

Lemma nu_0 : nu s 0 = 1.
Proof. by rewrite /nu expr0n mul0r addr0 sqrtr1 invr1. Qed.
Lemma nu1_0 : nu1 s 0 = 0.
Proof. by rewrite /nu1 mul0r oppr0 mul0r. Qed.

Lemma D_nu1 : is_derive (0 : R) (1 : R) (nu1 s) (- s).
Proof.
have n0 : 1 + 0 ^+ 2 * s != 0 by rewrite gt_eqF // nuarg.
have h1 := D_mul (D_nu 0) (@D_inv R 0 (fun t => 1 + t ^+ 2 * s) _ n0 (D_arg 0)).
have h2 := D_scale (-1) (D_mul (D_id 0) (D_const 0 s)).
have h := D_mul h2 h1.
apply: D_eq (D_ext h _) _; first by move=> x; rewrite /nu1 mulN1r.
have -> : 1 + 0 ^+ 2 * s = 1 by ring.
rewrite nu_0 nu1_0 invr1; ring.
Qed.
End OneVar.

Section Curves.
Variables (R : realType) (d : nat).

(* a curve of matrices with first derivative everywhere, second derivative at 0 *)
Definition C2 n (A A1 : R -> 'M[R]_(d,n)) (A2 : 'M[R]_(d,n)) :=
  (forall t a j, is_derive (t : R) (1 : R) (fun x => A x a j) (A1 t a j)) /\
  (forall a j, is_derive (0 : R) (1 : R) (fun x => A1 x a j) (A2 a j)).

(* product rule for inner products of columns *)
Lemma D_dotc n m (A A' : R -> 'M[R]_(d,n)) (B B' : R -> 'M[R]_(d,m)) (t : R) i j :
  (forall a j, is_derive t (1 : R) (fun x => A x a j) (A' t a j)) ->
  (forall a j, is_derive t (1 : R) (fun x => B x a j) (B' t a j)) ->
  is_derive t (1 : R) (fun x => dotc (A x) (B x) i j) (dotc (A' t) (B t) i j + dotc (A t) (B' t) i j).
Proof.
move=> hA hB; rewrite /dotc -big_split /=.
by apply: D_sum => a; apply: D_mul.
Qed.

(* on the spheres the velocity is tangent and the radial acceleration is - |velocity|^2 *)
Lemma sphere_acc n A A1 A2 : @C2 n A A1 A2 -> (forall t, unitc (A t)) ->
  tangent (A 0) (A1 0) /\ forall j, dotc (A 0) A2 j j = - dotc (A1 0) (A1 0) j j.
Proof.
move=> [h1 h2] uA.
have e (t : R) j : dotc (A t) (A1 t) j j = 0.
  have a1 := D_dotc j j (h1 t) (h1 t).
  have a2 : is_derive t (1 : R) (fun x => dotc (A x) (A x) j j) 0.
    by apply: D_ext (D_const t 1) _ => x; rewrite uA.
  have := D_unique a1 a2; rewrite [dotc (A1 t) _ _ _]dotcC -mulr2n => /eqP.
  by rewrite mulrn_eq0 /= => /eqP.
split=> [j|j]; first exact: e.
have a1 := @D_dotc n n A A1 A1 (fun=> A2) 0 j j (h1 0) h2.
have a2 : is_derive (0 : R) (1 : R) (fun x => dotc (A x) (A1 x) j j) 0.
  by apply: D_ext (D_const 0 0) _ => x; rewrite e.
have := D_unique a1 a2 => /eqP; rewrite addrC addr_eq0 => /eqP -> //.
Qed.

Section Retr.
Variables (n : nat) (A T : 'M[R]_(d,n)).
Hypotheses (uA : unitc A) (tA : tangent A T).

Local Notation line A T t := (\matrix_(a,j) (A a j + t * T a j)).

Lemma retr_norm2 t j : dotc (line A T t) (line A T t) j j = 1 + t ^+ 2 * dotc T T j j.
Proof.
have -> : dotc (line A T t) (line A T t) j j =
   dotc A A j j + 2 * t * dotc A T j j + t ^+ 2 * dotc T T j j.
  rewrite /dotc !mulr_sumr -!big_split /=; apply: eq_bigr => a _; rewrite !mxE; ring.
by rewrite uA tA mulr0 addr0.
Qed.

Lemma retrE t a j : retr A T t a j = nu (dotc T T j j) t * (A a j + t * T a j).
Proof. by rewrite /retr /normc mxE retr_norm2 /nu mulrC mxE. Qed.

(* the curve stays on the spheres *)
Lemma retr_unit t : unitc (retr A T t).
Proof.
move=> j; have h := nuarg (dotc_ge0 T j) t.
have -> : dotc (retr A T t) (retr A T t) j j = nu (dotc T T j j) t ^+ 2 * dotc (line A T t) (line A T t) j j.
  rewrite /dotc mulr_sumr; apply: eq_bigr => a _; rewrite !retrE !mxE.
  rewrite -/(dotc T T j j); ring.
by rewrite retr_norm2 /nu exprVn sqr_sqrtr ?ltW // mulVf // gt_eqF.
Qed.

(* its velocity, and its acceleration at 0 *)
Definition retr1 t : 'M[R]_(d,n) := \matrix_(a,j)
  (nu1 (dotc T T j j) t * (A a j + t * T a j) + nu (dotc T T j j) t * T a j).
Definition retr2 : 'M[R]_(d,n) := \matrix_(a,j) (- dotc T T j j * A a j).

Lemma retr_0 : retr A T 0 = A.
Proof. by apply/matrixP => a j; rewrite retrE nu_0 mul1r mul0r addr0. Qed.

Lemma retr1_0 : retr1 0 = T.
Proof. by apply/matrixP => a j; rewrite mxE nu_0 nu1_0 mul1r mul0r add0r. Qed.

Lemma retr_C2 : C2 (retr A T) retr1 retr2.
Proof.
have lin t a j : is_derive (t : R) (1 : R) (fun x => A a j + x * T a j) (T a j).
  apply: D_eq (D_add (D_const t (A a j)) (D_mul (D_id t) (D_const t (T a j)))) _.
  by rewrite mulr0 addr0 add0r mul1r.
split=> [t a j|a j].
- have h := D_mul (D_nu (dotc_ge0 T j) t) (lin t a j).
  apply: D_eq (D_ext h _) _; first by move=> x; rewrite retrE.
  by rewrite mxE.
- have h := D_add (D_mul (D_nu1 (dotc_ge0 T j)) (lin 0 a j))
                  (D_mul (D_nu (dotc_ge0 T j) 0) (D_const 0 (T a j))).
  apply: D_eq (D_ext h _) _; first by move=> x; rewrite mxE.
  by rewrite mxE nu_0 nu1_0; ring.
Qed.

(* the curve stays close to its start for a while *)
Lemma retr_close (e : R) : 0 < e -> \forall t \near (0 : R), close (retr A T t) A e.
Proof.
move=> e0.
have h : forall x : 'I_d * 'I_n, \forall t \near (0 : R), `|retr A T t x.1 x.2 - A x.1 x.2| < e.
  move=> [a j] /=; have c := D_cont (retr_C2.1 0 a j).
  move/cvgr_distC_lt : c => /(_ e e0).
  by rewrite retr_0.
have := @filter_forall _ _ _ _ (nbhs_filter (0 : R)) h.
by apply: filterS => t ht a j; apply: (ht (a, j)).
Qed.
End Retr.
End Curves.
