(* The Morse index of a rank-deficient point: docs/theory.md, "Curvature out of the span", Lemma 2 of docs/proofs.md.
   The same configuration with one more coordinate, zero everywhere, has the index of the old Hessian plus that of S;
   so with e more coordinates, the old index plus e times that of S. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp.classical Require Import boolp classical_sets functions.
From mathcomp.analysis Require Import reals signed topology normedtype sequences derive realfun exp.
From mathcomp Require Import ring.
From Sphere Require Import Definitions Algebra Calculus Landscape.
Set Implicit Arguments. Unset Strict Implicit. Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

(* ---- index of a function q (a quadratic form) on a subspace T ---- *)
Section Inertia.
Variables (R : realType) (E : vectType R) (q : E -> R).
Implicit Types (T P M : {vspace E}).

(* T splits into M of dimension m, where q is negative, and P, where q is not *)
Definition has_index T m := exists M P, [/\ (M + P = T)%VS, (M :&: P = 0)%VS, \dim M = m,
  forall x, x \in M -> x != 0 -> q x < 0 & forall x, x \in P -> 0 <= q x].

Lemma index_le T m m' : has_index T m -> has_index T m' -> (m <= m')%N.
Proof.
move=> [M [P [MP cap <- neg pos]]] [M' [P' [MP' cap' <- neg' pos']]].
have disj : (M :&: P' = 0)%VS.
  apply/eqP; rewrite -subv0; apply/subvP => x /memv_capP [xM xP]; rewrite memv0.
  by apply/negPn/negP => x0; have := neg x xM x0; rewrite ltNge pos'.
have d1 : (\dim M + \dim P' <= \dim T)%N.
  rewrite -dimv_disjoint_sum //; apply: dimvS; apply/subvP => x /memv_addP [u uM [v vP ->]].
  rewrite memvD //.
    by rewrite -MP; apply: (subvP (addvSl M P)).
  by rewrite -MP'; apply: (subvP (addvSr M' P')).
by move: d1; rewrite -MP' dimv_disjoint_sum // leq_add2r.
Qed.

(* the index is unique *)
Lemma index_unique T m m' : has_index T m -> has_index T m' -> m = m'.
Proof. by move=> a b; apply/eqP; rewrite eqn_leq (index_le a b) (index_le b a). Qed.
End Inertia.

(* the index of a sum of forms in separate variables is the sum of the indices *)
Section Sum.
Variables (R : realType) (E1 E2 E : vectType R) (f : 'Hom(E1,E)) (g : 'Hom(E2,E)).
Variables (q1 : E1 -> R) (q2 : E2 -> R) (q : E -> R) (T1 : {vspace E1}) (T2 : {vspace E2}).
Hypotheses (fg : forall u v, f u + g v = 0 -> u = 0 /\ v = 0) (qfg : forall u v, q (f u + g v) = q1 u + q2 v).
Hypotheses (q10 : q1 0 = 0) (q20 : q2 0 = 0).

Let sum (A : {vspace E1}) (B : {vspace E2}) := (f @: A + g @: B)%VS.

Lemma mem_sum (A : {vspace E1}) (B : {vspace E2}) x :
  reflect (exists u v, [/\ u \in A, v \in B & x = f u + g v]) (x \in sum A B).
Proof.
apply: (iffP memv_addP) => [[_ /memv_imgP [u uA ->] [_ /memv_imgP [v vB ->] ->]]|[u [v [uA vB ->]]]].
  by exists u, v.
by exists (f u); [rewrite memv_img|exists (g v); rewrite ?memv_img].
Qed.

Lemma fg_inj u v u' v' : f u + g v = f u' + g v' -> u = u' /\ v = v'.
Proof.
move/eqP; rewrite -subr_eq0 opprD addrACA -!linearB => /eqP /fg [/eqP e1 /eqP e2].
by move: e1 e2; rewrite !subr_eq0 => /eqP -> /eqP ->.
Qed.

Lemma dim_sum (A : {vspace E1}) (B : {vspace E2}) : \dim (sum A B) = (\dim A + \dim B)%N.
Proof.
have f0 u : f u = 0 -> u = 0 by move=> e; case: (fg (u := u) (v := 0)); rewrite ?e ?linear0 ?addr0.
have g0 v : g v = 0 -> v = 0 by move=> e; case: (fg (u := 0) (v := v)); rewrite ?e ?linear0 ?addr0.
have kf : (A :&: lker f = 0)%VS.
  by apply/eqP; rewrite -subv0; apply/subvP => u /memv_capP [_]; rewrite memv_ker memv0 => /eqP/f0 ->.
have kg : (B :&: lker g = 0)%VS.
  by apply/eqP; rewrite -subv0; apply/subvP => v /memv_capP [_]; rewrite memv_ker memv0 => /eqP/g0 ->.
rewrite dimv_disjoint_sum; first by rewrite !limg_dim_eq.
apply/eqP; rewrite -subv0; apply/subvP => x /memv_capP [/memv_imgP [u _ ->] /memv_imgP [v _ e]].
have [-> _] : u = 0 /\ 0 = v by apply: fg_inj; rewrite e !linear0 addr0 add0r.
by rewrite linear0 mem0v.
Qed.

Lemma index_sum m1 m2 : has_index q1 T1 m1 -> has_index q2 T2 m2 -> has_index q (sum T1 T2) (m1 + m2).
Proof.
move=> [M1 [P1 [s1 c1 <- n1 p1]]] [M2 [P2 [s2 c2 <- n2 p2]]].
exists (sum M1 M2), (sum P1 P2); split.
- rewrite -s1 -s2 /sum !limgD -!addvA; congr (_ + _)%VS.
  by rewrite addvA [(g @: M2 + _)%VS]addvC -addvA.
- apply/eqP; rewrite -subv0; apply/subvP => x /memv_capP [/mem_sum [u [v [uM vM ->]]] /mem_sum [u' [v' [uP vP e]]]].
  have [eu ev] := fg_inj e; move: uP vP; rewrite -eu -ev => uP vP.
  have : u \in (M1 :&: P1)%VS by rewrite memv_cap uM.
  have : v \in (M2 :&: P2)%VS by rewrite memv_cap vM.
  by rewrite c1 c2 !memv0 => /eqP -> /eqP ->; rewrite !linear0 addr0.
- exact: dim_sum.
- move=> _ /mem_sum [u [v [uM vM ->]]] x0; rewrite qfg.
  have [u0|u0] := eqVneq u 0; have [v0|v0] := eqVneq v 0.
  + by rewrite u0 v0 !linear0 addr0 eqxx in x0.
  + by rewrite u0 q10 add0r n2.
  + by rewrite v0 q20 addr0 n1.
  + by rewrite -[0]addr0 ltr_add ?n1 ?n2.
- by move=> _ /mem_sum [u [v [uP vP ->]]]; rewrite qfg addr_ge0 ?p1 ?p2.
Qed.
End Sum.

(* ---- pairs of matrices with stacked rows ---- *)
Section Stack.
Variables (R : realType) (K N p r : nat).
Local Notation pairs p := ([vectType R of 'M[R]_(p,K) * 'M[R]_(p,N)]%type).

Definition up_fun (X : pairs p) : pairs (p + r) := (col_mx X.1 0, col_mx X.2 0).
Definition down_fun (X : pairs r) : pairs (p + r) := (col_mx 0 X.1, col_mx 0 X.2).

Lemma up_linear : linear up_fun.
Proof.
by move=> a [U V] [U' V']; congr (_, _); rewrite /up_fun /= scale_col_mx add_col_mx scaler0 addr0.
Qed.
Lemma down_linear : linear down_fun.
Proof.
by move=> a [U V] [U' V']; congr (_, _); rewrite /down_fun /= scale_col_mx add_col_mx scaler0 addr0.
Qed.

Definition up : 'Hom(pairs p, pairs (p + r)) := linfun (Linear up_linear).
Definition down : 'Hom(pairs r, pairs (p + r)) := linfun (Linear down_linear).

Lemma upE U V : up (U, V) = (col_mx U 0, col_mx V 0). Proof. by rewrite lfunE. Qed.
Lemma downE U V : down (U, V) = (col_mx 0 U, col_mx 0 V). Proof. by rewrite lfunE. Qed.

Lemma stackE (U : 'M[R]_(p,K)) V (U' : 'M[R]_(r,K)) V' :
  up (U, V) + down (U', V') = (col_mx U U', col_mx V V').
Proof. by rewrite upE downE; congr (_, _); rewrite /= add_col_mx addr0 add0r. Qed.

Lemma stack_free X Y : up X + down Y = 0 -> X = 0 /\ Y = 0.
Proof.
case: X => U V; case: Y => U' V'; rewrite stackE => -[/eqP e1 /eqP e2].
by move: e1 e2; rewrite !col_mx_eq0 => /andP[/eqP -> /eqP ->] /andP[/eqP -> /eqP ->].
Qed.

Lemma unstack (X : pairs (p + r)) : X = up (usubmx X.1, usubmx X.2) + down (dsubmx X.1, dsubmx X.2).
Proof. by rewrite stackE !vsubmxK; case: X. Qed.
End Stack.

(* e copies of a form have e times its index *)
Section Copies.
Variables (R : realType) (K N : nat) (q : ('I_K -> R) -> ('I_N -> R) -> R).
Hypothesis q0 : q (fun=> 0) (fun=> 0) = 0.
Local Notation pairs p := ([vectType R of 'M[R]_(p,K) * 'M[R]_(p,N)]%type).

(* the form of one row; the sum over p rows *)
Definition rows p (X : pairs p) : R := \sum_a q (fun k => X.1 a k) (fun i => X.2 a i).

Lemma rows0 p : rows (0 : pairs p) = 0.
Proof.
apply: big1 => a _; rewrite -[RHS]q0; congr q; apply/funext => j; exact: mxE.
Qed.

Lemma rows_stack p r (X : pairs p) (Y : pairs r) : rows (up R K N p r X + down R K N p r Y) = rows X + rows Y.
Proof.
case: X => U V; case: Y => U' V'; rewrite stackE /rows big_split_ord /=; congr (_ + _).
  by apply: eq_bigr => a _; congr q; apply/funext => j; rewrite col_mxEu.
by apply: eq_bigr => a _; congr q; apply/funext => j; rewrite col_mxEd.
Qed.

Lemma index_copies n e : has_index (@rows 1) fullv n -> has_index (@rows e) fullv (e * n).
Proof.
move=> h; elim: e => [|e ih].
  exists 0%VS, fullv; split; rewrite ?add0v ?cap0v ?dimv0 //.
    by move=> x; rewrite memv0 => ->.
  by move=> x _; rewrite /rows big_ord0.
have := index_sum (@stack_free R K N 1 e) (@rows_stack 1 e) (rows0 1) (rows0 e) h ih.
rewrite mulSn (_ : (_ + _)%VS = fullv) //; apply/vspaceP => X; rewrite memvf.
by apply/mem_sum; exists (usubmx X.1, usubmx X.2), (dsubmx X.1, dsubmx X.2); rewrite !memvf -unstack.
Qed.
End Copies.

(* ---- the landscape ---- *)
Section Pad.
Variables (R : realType) (d K N : nat).
Local Notation pairs p := ([vectType R of 'M[R]_(p,K) * 'M[R]_(p,N)]%type).

(* the tangent space at (W, H) as a vector space *)
Section Tangent.
Variables (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)).
Definition normal_part (X : pairs d) : [vectType R of 'rV[R]_K * 'rV[R]_N] :=
  (\row_k dotc W X.1 k k, \row_i dotc H X.2 i i).

Lemma dotc_linear n (A T T' : 'M[R]_(d,n)) (a : R) j : dotc A (a *: T + T') j j = a * dotc A T j j + dotc A T' j j.
Proof. by rewrite /dotc mulr_sumr -big_split /=; apply: eq_bigr => c _; rewrite !mxE mulrDr mulrCA. Qed.

Lemma normal_linear : linear normal_part.
Proof.
by move=> a X Y; congr (_, _); apply/rowP => j; rewrite !mxE /= dotc_linear.
Qed.

Definition tangent_space : {vspace pairs d} := lker (linfun (Linear normal_linear)).

Lemma tangent_spaceP (X : pairs d) : reflect (tangent W X.1 /\ tangent H X.2) (X \in tangent_space).
Proof.
rewrite memv_ker lfunE /=; apply: (iffP eqP) => [[/rowP e1 /rowP e2]|[tU tV]].
  by split=> j; [have := e1 j|have := e2 j]; rewrite !mxE.
by congr (_, _); apply/rowP => j; rewrite !mxE; [apply: tU|apply: tV].
Qed.
End Tangent.
End Pad.

Lemma dotc_stack (R : realType) p r n m (A : 'M[R]_(p,n)) (A' : 'M[R]_(r,n)) (B : 'M[R]_(p,m)) (B' : 'M[R]_(r,m)) i j :
  dotc (col_mx A A') (col_mx B B') i j = dotc A B i j + dotc A' B' i j.
Proof.
rewrite /dotc big_split_ord /=; congr (_ + _).
  by apply: eq_bigr => a _; rewrite !col_mxEu.
by apply: eq_bigr => a _; rewrite !col_mxEd.
Qed.

Section Deficient.
Variables (R : realType) (d e K N : nat).
Variables (g : 'I_N -> ('I_K -> R) -> 'I_K -> R) (Q : 'I_N -> ('I_K -> R) -> 'I_K -> 'I_K -> R).
Variables (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)).
(* the same configuration with e more coordinates, all zero *)
Let W' : 'M[R]_(d + e,K) := col_mx W 0.
Let H' : 'M[R]_(d + e,N) := col_mx H 0.
Local Notation pairs p := ([vectType R of 'M[R]_(p,K) * 'M[R]_(p,N)]%type).

Lemma dotc0 p n m (A : 'M[R]_(p,n)) i j : dotc A (0 : 'M[R]_(p,m)) i j = 0.
Proof. by apply: big1 => a _; rewrite mxE mulr0. Qed.

Lemma pad_dotc n m (A : 'M[R]_(d,n)) (B : 'M[R]_(d,m)) i j :
  dotc (col_mx A (0 : 'M[R]_(e,n))) (col_mx B 0) i j = dotc A B i j.
Proof. by rewrite dotc_stack dotc0 addr0. Qed.

Lemma pad_tangent n (A : 'M[R]_(d,n)) (T : 'M[R]_(d + e,n)) j :
  dotc (col_mx A (0 : 'M[R]_(e,n))) T j j = dotc A (usubmx T) j j.
Proof. by rewrite -{1}[T]vsubmxK dotc_stack [dotc 0 _ _ _]dotcC dotc0 addr0. Qed.

Lemma pad_scores i : scores W' H' i = scores W H i.
Proof. by apply/funext => k; apply: pad_dotc. Qed.

Lemma pad_G k i : Gm g W' H' k i = Gm g W H k i. Proof. by rewrite /Gm pad_scores. Qed.
Lemma pad_alpha k : alpha g W' H' k = alpha g W H k.
Proof. by apply: eq_bigr => i _; rewrite pad_G pad_dotc. Qed.
Lemma pad_beta i : beta g W' H' i = beta g W H i.
Proof. by apply: eq_bigr => k _; rewrite pad_G pad_dotc. Qed.

Lemma pad_critical : critical g W' H' <-> critical g W H.
Proof.
have rW a k : \sum_i H' (lshift e a) i * Gm g W' H' k i = \sum_i H a i * Gm g W H k i.
  by apply: eq_bigr => i _; rewrite pad_G col_mxEu.
have rH a i : \sum_k W' (lshift e a) k * Gm g W' H' k i = \sum_k W a k * Gm g W H k i.
  by apply: eq_bigr => k _; rewrite pad_G col_mxEu.
split=> -[c1 c2].
  split=> a j; first by rewrite -rW c1 pad_alpha col_mxEu.
  by rewrite -rH c2 pad_beta col_mxEu.
split=> a j; case: (split_ordP a) => b ->.
- by rewrite rW c1 pad_alpha col_mxEu.
- by rewrite big1 => [|i _]; rewrite col_mxEd mxE mul0r.
- by rewrite rH c2 pad_beta col_mxEu.
- by rewrite big1 => [|i _]; rewrite col_mxEd mxE mul0r.
Qed.

(* the Hessian splits into the old one and one copy of S for each new coordinate *)
Lemma pad_hess U V (X : 'M[R]_(e,K)) (Z : 'M[R]_(e,N)) : hess g Q W' H' (col_mx U X) (col_mx V Z) =
  hess g Q W H U V + rows (qS g W H) (X, Z).
Proof.
have c i : curv Q W' H' (Dm W' H' (col_mx U X) (col_mx V Z)) i = curv Q W H (Dm W H U V) i.
  rewrite /curv pad_scores; have D k : Dm W' H' (col_mx U X) (col_mx V Z) k i = Dm W H U V k i.
    by rewrite /Dm !dotc_stack dotc0 [dotc 0 _ _ _]dotcC dotc0 !addr0.
  by apply: eq_bigr => k _; apply: eq_bigr => j _; rewrite !D.
have -> : rows (qS g W H) (X, Z) = 2 * (\sum_i \sum_k Gm g W H k i * dotc X Z k i)
  - \sum_k alpha g W H k * dotc X X k k - \sum_i beta g W H i * dotc Z Z i i.
  rewrite /rows /qS !sumrB -mulr_sumr; congr (2 * _ - _ - _).
  - rewrite exchange_big /=; apply: eq_bigr => i _; rewrite exchange_big /=; apply: eq_bigr => k _.
    by rewrite -mulr_sumr.
  - rewrite exchange_big /=; apply: eq_bigr => k _; rewrite -mulr_sumr; congr (_ * _).
  - rewrite exchange_big /=; apply: eq_bigr => k _; rewrite -mulr_sumr; congr (_ * _).
have e1 : \sum_i \sum_k Gm g W' H' k i * dotc (col_mx U X) (col_mx V Z) k i =
  \sum_i \sum_k Gm g W H k i * dotc U V k i + \sum_i \sum_k Gm g W H k i * dotc X Z k i.
  rewrite -big_split; apply: eq_bigr => i _; rewrite -big_split; apply: eq_bigr => k _.
  by rewrite pad_G dotc_stack mulrDr.
have e2 : \sum_k alpha g W' H' k * dotc (col_mx U X) (col_mx U X) k k =
  \sum_k alpha g W H k * dotc U U k k + \sum_k alpha g W H k * dotc X X k k.
  by rewrite -big_split; apply: eq_bigr => k _; rewrite pad_alpha dotc_stack mulrDr.
have e3 : \sum_i beta g W' H' i * dotc (col_mx V Z) (col_mx V Z) i i =
  \sum_i beta g W H i * dotc V V i i + \sum_i beta g W H i * dotc Z Z i i.
  by rewrite -big_split; apply: eq_bigr => i _; rewrite pad_beta dotc_stack mulrDr.
have regroup (C P P1 A A1 B B1 : R) : C + 2 * (P + P1) - (A + A1) - (B + B1) =
  C + 2 * P - A - B + (2 * P1 - A1 - B1) by ring.
by rewrite /hess (eq_bigr _ (fun i _ => c i)) e1 e2 e3 regroup.
Qed.

Lemma index_deficient m n :
  has_index (fun X : pairs d => hess g Q W H X.1 X.2) (tangent_space W H) m ->
  has_index (@rows R K N (qS g W H) 1) fullv n ->
  has_index (fun X : pairs (d + e) => hess g Q W' H' X.1 X.2) (tangent_space W' H') (m + e * n).
Proof.
move=> hm hn.
have q0 : qS g W H (fun=> 0) (fun=> 0) = 0.
  rewrite /qS [X in _ - X - _]big1 => [|k _]; last by rewrite expr0n mulr0.
  rewrite [X in _ - X]big1 => [|i _]; last by rewrite expr0n mulr0.
  by rewrite !subr0 big1 ?mulr0 // => i _; apply: big1 => k _; rewrite !mulr0.
have h0 : hess g Q W H (0 : pairs d).1 (0 : pairs d).2 = 0.
  have d0 p q n' (A : 'M[R]_(p,q)) i j : dotc (0 : 'M[R]_(p,n')) A i j = 0 by rewrite dotcC dotc0.
  rewrite /hess [X in _ - X - _]big1 => [|k _]; last by rewrite d0 mulr0.
  rewrite [X in _ - X]big1 => [|i _]; last by rewrite d0 mulr0.
  rewrite [X in 2 * X]big1 => [|i _]; last by apply: big1 => k _; rewrite d0 mulr0.
  rewrite !subr0 mulr0 addr0; apply: big1 => i _; apply: big1 => k _; apply: big1 => j _.
  by rewrite /Dm !d0 !dotc0 addr0 mulr0 mulr0.
have := index_sum (@stack_free R K N d e) _ h0 (rows0 q0 e) hm (index_copies q0 e hn).
move=> /(_ (fun X : pairs (d + e) => hess g Q W' H' X.1 X.2)) h.
rewrite (_ : tangent_space W' H' = (up R K N d e @: tangent_space W H + down R K N d e @: fullv)%VS).
  by apply: h => -[U V] [X Z]; rewrite stackE pad_hess.
apply/vspaceP => X; apply/tangent_spaceP/mem_sum => [[tU tV]|[[U V] [[X' Z'] [/tangent_spaceP [tU tV] _ ->]]]].
  exists (usubmx X.1, usubmx X.2), (dsubmx X.1, dsubmx X.2); split; rewrite ?memvf -?unstack //.
  by apply/tangent_spaceP; split=> j; rewrite /= -pad_tangent; [apply: tU|apply: tV].
by rewrite stackE; split=> j; rewrite pad_tangent col_mxKu; [apply: tU|apply: tV].
Qed.
End Deficient.

(* ---- rank one: X = a (s, t)^T with signs ---- *)
Section RankOne.
Variables (R : realType) (d K N : nat) (l : 'I_N -> ('I_K -> R) -> R) (g : 'I_N -> ('I_K -> R) -> 'I_K -> R).
Hypothesis h1 : chain1 l g.
Variables (a : 'I_d -> R) (s : 'I_K -> R) (t : 'I_N -> R).
Hypotheses (a1 : sqn a = 1) (s1 : forall k, s k = 1 \/ s k = -1) (t1 : forall i, t i = 1 \/ t i = -1).

Lemma rank_one : stationary (total l) (outer a s) (outer a t).
Proof.
have sq n (x : 'I_n -> R) : (forall j, x j = 1 \/ x j = -1) -> forall j, x j * x j = 1.
  by move=> x1 j; case: (x1 j) => ->; rewrite ?mulrNN mulr1.
have un n (x : 'I_n -> R) : (forall j, x j = 1 \/ x j = -1) -> unitc (outer a x).
  by move=> x1 j; rewrite dotc_outer a1 mul1r sq.
have dt k i : dotc (outer a s) (outer a t) k i = s k * t i by rewrite dotc_outer a1 mul1r.
apply: (critical_stationary h1 (un _ _ s1) (un _ _ t1)); split=> c j.
  rewrite /alpha mulr_sumr; apply: eq_bigr => i _; rewrite dt !mxE.
  transitivity (s j * s j * (a c * t i * Gm g (outer a s) (outer a t) j i)); last by ring.
  by rewrite sq // mul1r.
rewrite /beta mulr_sumr; apply: eq_bigr => k _; rewrite dt !mxE.
transitivity (t j * t j * (a c * s k * Gm g (outer a s) (outer a t) k j)); last by ring.
by rewrite sq // mul1r.
Qed.
End RankOne.

(* ---- an orthogonal matrix turns a point and leaves its index ---- *)
Lemma index_image (R : realType) (E : vectType R) (f : 'Hom(E,E)) (q q' : E -> R) (T : {vspace E}) m :
  (forall x, f x = 0 -> x = 0) -> (forall x, q' (f x) = q x) -> has_index q T m -> has_index q' (f @: T)%VS m.
Proof.
move=> inj qf [M [P [MP cap dM neg pos]]].
have ker0 : (lker f == 0)%VS.
  by rewrite -subv0; apply/subvP => x; rewrite memv_ker memv0 => /eqP /inj ->.
exists (f @: M)%VS, (f @: P)%VS; split; first by rewrite -limgD MP.
- apply/eqP; rewrite -subv0; apply/subvP => x /memv_capP [/memv_imgP [u uM ->] /memv_imgP [v vP uv]].
  have e : u = v by apply/eqP; rewrite -subr_eq0; apply/eqP/inj; rewrite linearB /= uv subrr.
  have : u \in (M :&: P)%VS by rewrite memv_cap uM e.
  by rewrite cap memv0 => /eqP ->; rewrite linear0 mem0v.
- by rewrite limg_dim_eq // (eqP ker0) capv0.
- move=> _ /memv_imgP [u uM ->] fu0; rewrite qf; apply: neg => //.
  by apply/eqP => u0; rewrite u0 linear0 eqxx in fu0.
- by move=> _ /memv_imgP [u uP ->]; rewrite qf; apply: pos.
Qed.

Section Rotated.
Variables (R : realType) (d K N : nat) (g : 'I_N -> ('I_K -> R) -> 'I_K -> R)
  (Q : 'I_N -> ('I_K -> R) -> 'I_K -> 'I_K -> R) (O : 'M[R]_d).
Hypothesis OO : O^T *m O = 1%:M.
Variables (W : 'M[R]_(d,K)) (H : 'M[R]_(d,N)).
Local Notation pairs := [vectType R of 'M[R]_(d,K) * 'M[R]_(d,N)].

Lemma turn_dotc n m (A : 'M[R]_(d,n)) (B : 'M[R]_(d,m)) i j : dotc (O *m A) (O *m B) i j = dotc A B i j.
Proof.
have e p r (C : 'M[R]_(p,n)) (D : 'M[R]_(p,r)) k : \sum_a C a i * D a k = (C^T *m D) i k.
  by rewrite mxE; apply: eq_bigr => a _; rewrite mxE.
by rewrite /dotc !e trmx_mul -mulmxA [O^T *m _]mulmxA OO mul1mx.
Qed.

Lemma turn_hess_inv U V : hess g Q (O *m W) (O *m H) (O *m U) (O *m V) = hess g Q W H U V.
Proof.
have s i : scores (O *m W) (O *m H) i = scores W H i by apply/funext => k; apply: turn_dotc.
have G k i : Gm g (O *m W) (O *m H) k i = Gm g W H k i by rewrite /Gm s.
rewrite /hess; congr (_ + _ * _ - _ - _).
- apply: eq_bigr => i _; apply: eq_bigr => k _; apply: eq_bigr => j _.
  by rewrite s /Dm !turn_dotc.
- by apply: eq_bigr => i _; apply: eq_bigr => k _; rewrite G turn_dotc.
- apply: eq_bigr => k _; rewrite turn_dotc; congr (_ * _); apply: eq_bigr => i _; by rewrite G turn_dotc.
- apply: eq_bigr => i _; rewrite turn_dotc; congr (_ * _); apply: eq_bigr => k _; by rewrite G turn_dotc.
Qed.

Definition turn_fun (X : pairs) : pairs := (O *m X.1, O *m X.2).
Lemma turn_linear : linear turn_fun.
Proof. by move=> a [U V] [U' V']; congr pair; rewrite /= mulmxDr -scalemxAr. Qed.

Lemma index_turned m : has_index (fun X : pairs => hess g Q W H X.1 X.2) (tangent_space W H) m ->
  has_index (fun X : pairs => hess g Q (O *m W) (O *m H) X.1 X.2) (tangent_space (O *m W) (O *m H)) m.
Proof.
pose f : 'Hom(pairs, pairs) := linfun (Linear turn_linear); have fE X : f X = turn_fun X by rewrite lfunE.
have back n (A : 'M[R]_(d,n)) : O *m (O^T *m A) = A by rewrite mulmxA (mulmx1C OO) mul1mx.
have inj n (A : 'M[R]_(d,n)) : O *m A = 0 -> A = 0 by move=> e; rewrite -[A]mul1mx -OO -mulmxA e mulmx0.
move=> h; rewrite (_ : tangent_space (O *m W) (O *m H) = (f @: tangent_space W H)%VS).
  apply: index_image h => [[U V]|[U V]]; rewrite fE; last exact: turn_hess_inv.
  by case=> /inj -> /inj ->.
apply/vspaceP => X; apply/tangent_spaceP/memv_imgP => [[tU tV]|[[U V] /tangent_spaceP [tU tV] ->]].
  exists (O^T *m X.1, O^T *m X.2); last by rewrite fE /turn_fun /= !back; case: X tU tV.
  by apply/tangent_spaceP; split=> j; rewrite /= -turn_dotc back; [apply: tU|apply: tV].
by rewrite fE; split=> j; rewrite /= turn_dotc; [apply: tU|apply: tV].
Qed.
End Rotated.
