/* Confirmation of a pair key (D3, D4, Subset) and the pair chain that it leaves, with either device as the initiator.
 *
 * A chain is named by the key that it came with, and has a number. D3 and D4 are lost, repeated, and held up beyond the
 * end of the negotiation; a responder may lack a share at first. Asserted: a session has one key at the responder; the
 * initiator's key is Active only if the responder's is; the two always have a chain in common, and find it. Each of the
 * names below takes out a safeguard, and must be found:
 *
 *   MANY       the responder accepts another D3 of the same session
 *   NO_FALL    different chains of the newest number are a dead end
 *   ONE        each keeps the newest chain alone
 *   PARALLEL   what was under way is not ended by a new negotiation
 */
#ifndef ROUNDS
#define ROUNDS 4
#endif
#define NONE 255

/* Of each device, 0 and 1: the newest chain and the one that it came from. The key of round r with all shares is 2r, with
   a part of them 2r + 1; both start from chain 0, number 1. */
byte newest[2], base[2];
byte number[2 * ROUNDS + 2];
byte round;
/* Of each round: who began it, from which chain; which key the initiator waits for, and which one was accepted. */
byte first[ROUNDS + 1], from[ROUNDS + 1], waits[ROUNDS + 1], accepted[ROUNDS + 1];
bool at_first[ROUNDS + 1], at_second[ROUNDS + 1];     /* whether each still takes part */
bool d3[2 * ROUNDS + 2], d4[2 * ROUNDS + 2];          /* said: may arrive at any time, any number of times */

#define has(who, chain) (newest[who] == chain || base[who] == chain)
#define common assert(has(0, newest[1]) || has(0, base[1]))

inline keep(who, key, came) {
  if
  :: has(who, came) -> base[who] = came; newest[who] = key;
#ifdef ONE
       base[who] = key
#endif
  :: else                                              /* gone on meanwhile: no chain is left */
  fi
}

inline ended(who) {
  for (k : 1 .. ROUNDS) {
    if :: first[k] == who -> at_first[k] = false :: else -> at_second[k] = false fi
  }
  k = 0
}

inline arrived() {                                     /* D3, at the responder */
  if
  :: accepted[r] == NONE -> accepted[r] = key; d4[key] = true; who = 1 - first[r]; keep(who, key, from[r]); common
  :: accepted[r] == key
  :: else ->
#ifdef MANY
       assert(false)
#else
       skip
#endif
  fi
}

inline begun(who) {
  other = 1 - who;
#ifndef PARALLEL
  ended(who); ended(other);
#endif
  round++;
  first[round] = who; at_first[round] = true; at_second[round] = true; accepted[round] = NONE;
  if
  :: has(other, newest[who]) -> from[round] = newest[who]
  :: else ->
#ifdef NO_FALL
       assert(number[newest[who]] != number[newest[other]]);
#endif
       if
       :: has(other, base[who]) -> from[round] = base[who]
       :: else -> assert(false)
       fi
  fi;
  number[2 * round] = number[from[round]] + 1; number[2 * round + 1] = number[2 * round];
  waits[round] = 2 * round; d3[2 * round] = true;
  common
}

proctype Round(byte r) {
  byte key, who;
end: do
  :: atomic { at_first[r] -> at_first[r] = false }                                   /* each gives up, or crashes */
  :: atomic { at_second[r] -> at_second[r] = false }
  :: atomic { at_first[r] && waits[r] == 2 * r -> waits[r] = 2 * r + 1; d3[2 * r + 1] = true }    /* Subset */
  :: atomic { at_second[r] && d3[2 * r] -> key = 2 * r; arrived(); key = 0; who = 0 }
  :: atomic { at_second[r] && d3[2 * r + 1] -> key = 2 * r + 1; arrived(); key = 0; who = 0 }
  :: atomic { at_first[r] && d4[waits[r]] -> key = waits[r]; who = first[r];
       assert(accepted[r] == key); keep(who, key, from[r]); at_first[r] = false; common; key = 0; who = 0 }
  od
}

init {
  byte other, k;
  atomic {
    number[0] = 1;
    for (k : 1 .. ROUNDS) { run Round(k) }
    k = 0
  }
end: do
  :: atomic { round < ROUNDS -> begun(0); other = 0 }
  :: atomic { round < ROUNDS -> begun(1); other = 0 }
  od
}
