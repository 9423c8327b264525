/*
 * A second opinion on byzd's agreement: the normal case, the view change and the checkpoint, written
 * from the protocol's rules and not from the Go code. README.md says what it leaves out, and why
 * that is allowed.
 *
 * n = 4, f = 1, q = 3. Three correct replicas are processes; the traitor is everywhere else: its vote
 * counts for every batch, in every view; its VIEW-CHANGE shows any certificate that exists; and the
 * primary of every view says anything, to each replica something else. What was once signed may
 * reach anybody at any later time, or never: so there are no channels, only what was signed.
 *
 * Batches are the nodes of a binary tree: 0 is the base, 1 and 2 extend it, 3 and 4 extend 1, 5 and 6
 * extend 2. Views begin with 0.
 *
 * -DVIEWS=2|3  -DSEQS=1|2  bound it; -DFEW leaves batches 1, 2 and 3. -DNO_OPEN lets a primary propose before its view is open (R2).
 * Each variant of variants.txt but the clean ones breaks one rule.
 */
#ifndef VIEWS
#define VIEWS 3
#endif
#ifndef SEQS
#define SEQS 2
#endif

#define PARENT(b) (((b) - 1) / 2)
#define SEQ(b) ((b) > 2 -> 2 : ((b) > 0 -> 1 : 0))
/* a extends b, or is b */
#define EXTENDS(a, b) ((a) == (b) || (b) == 0 || ((a) > 2 && PARENT(a) == (b)))
#define ONE_CHAIN(a, b) (EXTENDS(a, b) || EXTENDS(b, a))

#ifdef RANK_BY_SEQ
#define RANK(v, b) (SEQ(b) * VIEWS + (v))
#else
#define RANK(v, b) ((v) * 3 + SEQ(b)) /* the view comes first */
#endif

typedef Promise { /* VIEW-CHANGE */
	bit sent;
	unsigned hqView : 2;
	unsigned hqBatch : 3;
	unsigned stable : 3
}

typedef Replica {
	unsigned view : 2;    /* the last one entered */
	unsigned target : 2;  /* the last one promised; the view is active while they are equal */
	unsigned base : 3;    /* of the view */
	unsigned hqView : 2;  /* the highest prepared certificate: its rank is never lowered */
	unsigned hqBatch : 3;
	unsigned exec : 3;    /* the last batch executed */
	unsigned stable : 3;  /* the last one below a checkpoint certificate */
	byte prepared[VIEWS]; /* bit b: PREPARE of batch b in that view was signed */
	byte committed[VIEWS];
	Promise promise[VIEWS]
}

Replica r[3];
hidden byte i, j, v, w;
/* What is claimed, for the names that a failed assertion prints. */
hidden byte agreement, lemma2, one_chain, silent_after, shows_all, no_runaway, raced;

#ifdef OWN_VOTE_EARLY
byte acked; /* the last batch that a client was told of */
#endif

/* The canaries must break agreement itself, and not only what leads to it. */
#if defined(ONLY_AGREEMENT) || defined(ONLY_LEMMA2)
#define CLAIM(p) skip
#else
#define CLAIM(p) assert(p)
#endif
#ifdef ONLY_AGREEMENT
#define CLAIM_LEMMA2 skip
#else
#define CLAIM_LEMMA2 assert(lemma2)
#endif

/* Sets of batches. Two correct replicas and the traitor are a quorum. */
#define TWO(x, y, z) (((x) & (y)) | ((y) & (z)) | ((x) & (z)))
#define ANY(x, y, z) ((x) | (y) | (z))
#ifdef QUORUM_LESS
#define ENOUGH ANY
#else
#define ENOUGH TWO
#endif
#ifdef VOTES_OF_ALL_VIEWS
#define SIGNED(k, kind, u) (r[k].kind[0] | r[k].kind[1] | r[k].kind[VIEWS - 1])
#else
#define SIGNED(k, kind, u) r[k].kind[u]
#endif
#define CERTIFIED(kind, u) \
	ENOUGH(SIGNED(0, kind, u), SIGNED(1, kind, u), SIGNED(2, kind, u))
#define HAS(set, b) (((set) >> (b)) & 1)
#define QC(u, b) HAS(CERTIFIED(prepared, u), b)
#define CC(u, b) HAS(CERTIFIED(committed, u), b)
#define GENUINE(u, b) (((u) == 0 && (b) == 0) || QC(u, b))

#define me r[_pid]
#define ACTIVE (me.view == me.target)

/* States that differ only in what can make no difference any more are made one (settle). That is the
 * only place where this file speaks C; -DNO_REDUCTION leaves it out. */
#ifdef NO_REDUCTION
#define SETTLE skip
#define WHO _pid
#else
#define SETTLE c_code { settle(); }
#define WHO c_expr { name[Pcorrect->_pid] }
#endif
#ifdef COMMIT_AFTER_VC
#define LEFT(k, u) (now.r[k].view > (u))
#else
#define LEFT(k, u) (now.r[k].target > (u))
#endif

c_decl {
	static unsigned char name[3] = {0, 1, 2}; /* who stands in r[i], for what is printed */
}
c_code {
	/* fade handles what was signed for batch b in view u, by those for whom bit is set in a set. Of
	 * those who have left the view it matters only whether there is a certificate, or can be. */
	static void fade(unsigned char *set[3], int u, int b) {
		int k, votes = 0, more = 0, bit = 1 << b;
		for (k = 0; k < 3; k++) {
			if (*set[k] & bit) votes++;
			else if (!LEFT(k, u)) more++;
		}
		for (k = 0; k < 3; k++) {
			if (!LEFT(k, u)) continue;
			if (votes >= 2) *set[k] |= bit;
			else if (votes + more < 2) *set[k] &= ~bit;
		}
	}

	static void settle(void) {
		int k, u, b, x, y, all;
		for (u = 0; u < VIEWS; u++) {
			unsigned char *prepared[3], *committed[3];
			all = 1;
			for (k = 0; k < 3; k++) {
				prepared[k] = &now.r[k].prepared[u];
				committed[k] = &now.r[k].committed[u];
				if (now.r[k].view < u) all = 0;
			}
			for (b = 0; b < 7; b++) {
				fade(prepared, u, b);
				fade(committed, u, b);
			}
			/* Who has entered a view takes no NEW-VIEW for it. */
			for (k = 0; all && k < 3; k++) memset(&now.r[k].promise[u], 0, sizeof(now.r[k].promise[u]));
		}
		for (k = 0; k < 3; k++) {
			if (now.r[k].view < now.r[k].target) now.r[k].base = 0; /* until the next NEW-VIEW */
			if (now.r[k].target < VIEWS - 1) continue;
			now.r[k].hqView = 0; /* there is no VIEW-CHANGE to show it in */
			now.r[k].hqBatch = 0;
			now.r[k].stable = 0;
		}
		/* The replicas are alike: they are sorted. */
		for (x = 0; x < 2; x++) {
			for (y = 0; y < 2 - x; y++) {
				struct Replica low = now.r[y];
				if (memcmp(&now.r[y], &now.r[y + 1], sizeof low) <= 0) continue;
				now.r[y] = now.r[y + 1];
				now.r[y + 1] = low;
				k = name[y]; name[y] = name[y + 1]; name[y + 1] = k;
			}
		}
	}
}

/* Agreement: what is committed is on one chain. Lemma 2: every prepared certificate that ranks at or
 * above a commit certificate is on its chain. */
inline check_certificates() {
	agreement = 1; lemma2 = 1;
	for (v : 0 .. VIEWS - 1) {
		for (i : 0 .. 6) {
			if
			:: CC(v, i) ->
				for (w : 0 .. VIEWS - 1) {
					for (j : 0 .. 6) {
						agreement = agreement && (!CC(w, j) || ONE_CHAIN(i, j));
						lemma2 = lemma2 &&
						    (!QC(w, j) || RANK(w, j) < RANK(v, i) || EXTENDS(j, i))
					}
				}
#ifdef OWN_VOTE_EARLY
				agreement = agreement && ONE_CHAIN(i, acked)
#endif
			:: else
			fi
		}
	}
	assert(agreement);
	CLAIM_LEMMA2
}

/* R6, E4: what one replica PREPAREs in one view is on one chain. */
inline check_chain(u) {
	one_chain = 1;
	for (i : 1 .. 6) {
		for (j : 1 .. 6) {
			one_chain = one_chain &&
			    (!HAS(me.prepared[u], i) || !HAS(me.prepared[u], j) || ONE_CHAIN(i, j))
		}
	}
	CLAIM(one_chain)
}

/* ---- normal case ---- */

#define DEEPEST(set) ((set) & 64 -> 6 : ((set) & 32 -> 5 : ((set) & 16 -> 4 : ((set) & 8 -> 3 : \
	((set) & 4 -> 2 : ((set) & 2 -> 1 : 0))))))
/* The last batch that was PREPAREd in this view, or its base. */
#define LAST (me.prepared[me.view] -> DEEPEST(me.prepared[me.view]) : me.base)

#ifdef NO_OPEN
#define OPEN 1
#else
#define OPEN (me.view == 0 || CERTIFIED(committed, me.view)) /* R2 */
#endif

/* R6: the tip is the last batch PREPAREd or, if it extends that, the last one executed. */
#ifdef TIP_UNCHECKED
#define TIP_IS(b) (SEQ(me.exec) >= SEQ(LAST) -> (b) == me.exec : (b) == LAST)
#else
#define TIP_IS(b) ((EXTENDS(LAST, me.exec) && (b) == LAST) || \
	(EXTENDS(me.exec, LAST) && (b) == me.exec))
#endif

/* Names are given in order: the second child of a batch is never seen before the first. */
#define KNOWN(b) ((r[0].prepared[0] | r[1].prepared[0] | r[2].prepared[0] | \
	r[0].prepared[1] | r[1].prepared[1] | r[2].prepared[1] | \
	r[0].prepared[VIEWS - 1] | r[1].prepared[VIEWS - 1] | r[2].prepared[VIEWS - 1]) & (1 << (b)))

#ifdef BASE_IGNORED
#define FITS(b) (PARENT(b) == me.exec && me.prepared[me.view] < (1 << (b)))
#else
#ifdef SECOND_PREPARE
#define FITS(b) (PARENT(b) == me.base || TIP_IS(PARENT(b)))
#else
#define FITS(b) TIP_IS(PARENT(b))
#endif
#endif

#define MAY_PREPARE(b) (ACTIVE && OPEN && !HAS(me.prepared[me.view], b) && FITS(b) && \
	SEQ(b) > SEQ(me.stable) && ((b) % 2 == 1 || KNOWN((b) - 1) || KNOWN(b)))

#define PREPARE(b) \
	:: d_step { MAY_PREPARE(b) -> \
		me.prepared[me.view] = me.prepared[me.view] | (1 << b); \
		printf("r%d: PREPARE %d in view %d\n", WHO, b, me.view); \
		check_chain(me.view); check_certificates(); SETTLE }

/* R2: the base is certified again in every view, unless what was executed is elsewhere (R17). */
#ifdef BASE_UNCHECKED
#define BASE_FITS 1
#else
#define BASE_FITS ONE_CHAIN(me.base, me.exec)
#endif
#define MAY_PREPARE_BASE (ACTIVE && me.view > 0 && !HAS(me.prepared[me.view], me.base) && BASE_FITS)

#ifdef COMMIT_AFTER_VC
#define MAY_COMMIT_NOW 1
#else
#define MAY_COMMIT_NOW ACTIVE
#endif

#define COMMIT(b) \
	:: d_step { MAY_COMMIT_NOW && !HAS(me.committed[me.view], b) && QC(me.view, b) -> \
		me.committed[me.view] = me.committed[me.view] | (1 << b); \
		printf("r%d: COMMIT %d in view %d\n", WHO, b, me.view); \
		assert_promised(me.view); \
		raise(me.view, b); check_certificates(); SETTLE }

inline assert_promised(u) {
	silent_after = (me.target <= u); /* no COMMIT follows a VIEW-CHANGE to a later view */
	CLAIM(silent_after)
}

inline raise(u, b) {
	if
	:: RANK(u, b) > RANK(me.hqView, me.hqBatch) -> me.hqView = u; me.hqBatch = b
	:: else
	fi
}

/* ---- execution, checkpoint ---- */

#if VIEWS == 3
#define COMMITTED(b) (CC(0, b) || CC(1, b) || CC(2, b))
#else
#define COMMITTED(b) (CC(0, b) || CC(1, b))
#endif

#define EXECUTE(b) \
	:: d_step { COMMITTED(b) && b != me.exec && EXTENDS(b, me.exec) -> \
		me.exec = b; \
		printf("r%d: execute %d\n", WHO, b); \
		SETTLE }

/* Who has executed a batch has said so in a CHECKPOINT. */
#define SAID(k, b) EXTENDS(r[k].exec, b)
#define STABLE(b) \
	:: d_step { me.target < VIEWS - 1 && SEQ(b) > SEQ(me.stable) && ENOUGH(SAID(0, b), SAID(1, b), SAID(2, b)) -> \
		me.stable = b; \
		forget(b); \
		printf("r%d: %d is stable\n", WHO, b); \
		SETTLE }

inline forget(b) {
#ifdef HQ_FORGOTTEN
	if
	:: SEQ(me.hqBatch) <= SEQ(b) -> me.hqView = 0; me.hqBatch = 0
	:: else
	fi
#else
	skip
#endif
}

/* R1: a replica counts its own COMMIT before it is durable, tells its client, and loses it. */
#ifdef OWN_VOTE_EARLY
#define ACKNOWLEDGE(b) \
	:: d_step { ACTIVE && QC(me.view, b) && !HAS(me.committed[me.view], b) && acked == 0 && \
		HAS(ANY(r[0].committed[me.view], r[1].committed[me.view], r[2].committed[me.view]), b) -> \
		acked = b; \
		printf("r%d: acknowledges %d and crashes\n", WHO, b) }
#else
#define ACKNOWLEDGE(b)
#endif

/* ---- view change ---- */

/* f+1 complaints with one's own (of which nothing is known here but that they may come), or the
 * timer of a view that q want and that does not begin, or f+1 who want more (join). */
#define WANTS(k, u) (r[k].target >= (u))
#define TWO_WANT(u) TWO(WANTS(0, u), WANTS(1, u), WANTS(2, u))
#ifdef JOIN_AT_ONE
#define JOIN(u) 1
#else
#define JOIN(u) ANY(WANTS(0, u), WANTS(1, u), WANTS(2, u))
#endif
#define MAY_LEAVE_FOR(u) (me.target < (u) && \
	((ACTIVE && (u) == me.view + 1) || ((u) == me.target + 1 && TWO_WANT(me.target)) || JOIN(u)))

#define VIEW_CHANGE(u) \
	:: d_step { MAY_LEAVE_FOR(u) -> \
		check_promise(u); \
		me.target = u; \
		me.promise[u].sent = 1; \
		me.promise[u].hqView = me.hqView; me.promise[u].hqBatch = me.hqBatch; \
		me.promise[u].stable = me.stable; \
		printf("r%d: VIEW-CHANGE to %d, shows %d of view %d\n", \
			WHO, u, me.hqBatch, me.hqView); \
		SETTLE }

inline check_promise(u) {
	shows_all = 1; /* at least what was COMMITted */
	for (i : 0 .. 6) {
		shows_all = shows_all && (!ACTIVE || !HAS(me.committed[me.view], i) ||
		    RANK(me.view, i) <= RANK(me.hqView, me.hqBatch))
	}
	CLAIM(shows_all);
	no_runaway = (u < 2 || TWO_WANT(u - 1)); /* a quorum is never far behind */
	CLAIM(no_runaway)
}

/* A NEW-VIEW for u with base (x, b) can be made of the VIEW-CHANGEs of two correct replicas and of
 * the traitor's if the certificate exists and nothing that the two show ranks higher. */
#ifdef LOWEST_BASE
#define UNDER(k, u, x, b) (r[k].promise[u].sent && \
	RANK(r[k].promise[u].hqView, r[k].promise[u].hqBatch) >= RANK(x, b))
#else
#define UNDER(k, u, x, b) (r[k].promise[u].sent && \
	RANK(r[k].promise[u].hqView, r[k].promise[u].hqBatch) <= RANK(x, b))
#endif
#define REACHES(k, u, b) (SEQ(r[k].promise[u].stable) <= SEQ(b)) /* R16 */
#define BOTH(k, u, x, b) (UNDER(k, u, x, b) && REACHES(k, u, b))
#ifdef NEW_VIEW_LESS
#define IN_NEW_VIEW ANY
#else
#define IN_NEW_VIEW TWO
#endif
#ifdef HQ_UNPROVEN
#define SHOWN(x, b) (GENUINE(x, b) || KNOWN(b))
#else
#define SHOWN(x, b) GENUINE(x, b)
#endif

#define NEW_VIEW(u, x, b) \
	:: d_step { me.view < u && me.target <= u && SHOWN(x, b) && \
		IN_NEW_VIEW(BOTH(0, u, x, b), BOTH(1, u, x, b), BOTH(2, u, x, b)) -> \
		me.view = u; me.target = u; me.base = b; \
		raise(x, b); \
		printf("r%d: enters view %d, base %d of view %d\n", WHO, u, b, x); \
		check_base(u, b); SETTLE }

/* R16: a stable checkpoint above the base is known only where a commit certificate of this view or of
 * a later one covers it: the view is raced, not broken. */
#define CHECK_R16(u, x, b) \
	:: d_step { me.view < u && SHOWN(x, b) && TWO(UNDER(0, u, x, b), UNDER(1, u, x, b), \
		UNDER(2, u, x, b)) && BEHIND(u, x, b) -> raced = 0; CLAIM(raced) }
#define BEHIND(u, x, b) (BEHIND1(0, u, x, b) || BEHIND1(1, u, x, b) || BEHIND1(2, u, x, b))
#ifdef R16_ALARM /* what the text said before R16: never */
#define RACED(u, b) 0
#else
#define RACED(u, b) COVERED(u, b)
#endif
#define BEHIND1(k, u, x, b) \
	(UNDER(k, u, x, b) && !REACHES(k, u, b) && !RACED(u, r[k].promise[u].stable))
#define SUBTREE(b) ((b) == 1 -> 26 : ((b) == 2 -> 100 : (1 << (b))))
#if VIEWS == 3
#define COVERED(u, b) (SUBTREE(b) & (((u) == 1 -> CERTIFIED(committed, 1) : 0) | \
	CERTIFIED(committed, 2)))
#else
#define COVERED(u, b) (SUBTREE(b) & CERTIFIED(committed, 1))
#endif

/* Lemma 2 again: a base extends all that was committed in earlier views. */
inline check_base(u, b) {
	lemma2 = 1;
	for (v : 0 .. u - 1) {
		for (i : 0 .. 6) {
			lemma2 = lemma2 && (!CC(v, i) || EXTENDS(b, i))
		}
	}
	CLAIM_LEMMA2
}

#if SEQS == 2 && defined(FEW)
#define EACH(ACT) ACT(1) ACT(2) ACT(3)
#define BASES(u, x) NEW_VIEW(u, x, 0) NEW_VIEW(u, x, 1) NEW_VIEW(u, x, 2) NEW_VIEW(u, x, 3) \
	CHECK_R16(u, x, 0) CHECK_R16(u, x, 1) CHECK_R16(u, x, 2)
#elif SEQS == 2
#define EACH(ACT) ACT(1) ACT(2) ACT(3) ACT(4) ACT(5) ACT(6)
#define BASES(u, x) NEW_VIEW(u, x, 0) NEW_VIEW(u, x, 1) NEW_VIEW(u, x, 2) NEW_VIEW(u, x, 3) \
	NEW_VIEW(u, x, 4) NEW_VIEW(u, x, 5) NEW_VIEW(u, x, 6) \
	CHECK_R16(u, x, 0) CHECK_R16(u, x, 1) CHECK_R16(u, x, 2)
#else
#define EACH(ACT) ACT(1) ACT(2)
#define BASES(u, x) NEW_VIEW(u, x, 0) NEW_VIEW(u, x, 1) NEW_VIEW(u, x, 2) CHECK_R16(u, x, 0)
#endif

active [3] proctype correct() {
end:	do
	EACH(PREPARE)
	:: d_step { MAY_PREPARE_BASE ->
		me.prepared[me.view] = me.prepared[me.view] | (1 << me.base);
		printf("r%d: PREPARE %d in view %d, its base\n", WHO, me.base, me.view);
		check_chain(me.view); check_certificates(); SETTLE }
	COMMIT(0)
	EACH(COMMIT)
	EACH(EXECUTE)
	EACH(STABLE)
	EACH(ACKNOWLEDGE)
	VIEW_CHANGE(1)
	BASES(1, 0)
#if VIEWS == 3
	VIEW_CHANGE(2)
	BASES(2, 0)
	BASES(2, 1)
#endif
	od
}
