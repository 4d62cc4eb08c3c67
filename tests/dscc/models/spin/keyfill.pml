/* Keyfill (T1 to T4): the window in which the device has two chains, and the node one of them.
 *
 * A chain is named by the session that it was made in. Sessions break off; the node may keep one open that the device has
 * given up, and what was said in it may arrive late. Refusals are forged. Either side crashes. Asserted: one of the
 * device's chains is the node's. Each of the names below takes out a safeguard, and must be found:
 *
 *   NO_CHECK    T3 is taken whatever is stored meanwhile
 *   BELIEVE     a refusal makes the device drop the chain that was refused
 *   DROP_EARLY  the device drops the present chain as it sends T3
 *   NO_WAIT     the node takes the next chain before T3
 */
#ifndef SESSIONS
#define SESSIONS 5
#endif

byte present, next, node;       /* chains; next: 0 none. The first one is SESSIONS + 1 */
byte last;                      /* the newest session's number */
byte at_device;                 /* the session that the device has open, 0 none */
byte stored;                    /* changes whenever what the node has stored does */
bool open[SESSIONS + 1];        /* at the node */
byte found[SESSIONS + 1];       /* `stored` as the session opened */
bool asked[SESSIONS + 1], granted[SESSIONS + 1], t3[SESSIONS + 1], t4[SESSIONS + 1];

#define reachable assert(node == present || (next && node == next))

inline refused() {
  at_device = 0;
#ifdef BELIEVE
  next = 0;
#endif
}

inline connect(chain) {
  if
  :: chain == node -> last++; stored++;
       if
       :: stored--; last--; at_device = 0             /* M3 is lost */
       :: open[last] = true; found[last] = stored; at_device = 0    /* M4 is lost */
       :: open[last] = true; found[last] = stored; at_device = last; present = chain; next = 0
       fi
  :: refused()
  fi;
  reachable
}

proctype Session(byte s) {
end: do
  :: atomic { at_device == s && !asked[s] -> asked[s] = true }                       /* T1 leaves */
  :: atomic { open[s] && asked[s] && !granted[s] -> granted[s] = true;               /* T1 arrives, T2 leaves */
#ifdef NO_WAIT
       node = s; stored++; reachable;
#endif
       skip }
  :: atomic { at_device == s && granted[s] && !t3[s] -> t3[s] = true; next = s;      /* T2 arrives, T3 leaves */
#ifdef DROP_EARLY
       present = next; next = 0; reachable;
#endif
       skip }
  :: atomic {
#ifdef NO_CHECK
       open[s] && t3[s] && !t4[s] ->
#else
       open[s] && t3[s] && !t4[s] && found[s] == stored ->
#endif
       t4[s] = true; node = s; stored++; reachable }                                 /* T3 arrives, T4 leaves */
  :: atomic { at_device == s && t4[s] && next == s -> present = next; next = 0; reachable }    /* T4 arrives */
  od
}

init {
  byte s;
  atomic {
    present = SESSIONS + 1; node = SESSIONS + 1;
    for (s : 1 .. SESSIONS) { run Session(s) }
    s = 0
  }
end: do
  :: atomic { last < SESSIONS && next -> connect(next) }
  :: atomic { last < SESSIONS -> connect(present) }
  :: atomic { at_device -> at_device = 0 }                                           /* the device crashes */
  :: atomic { last && open[last] -> for (s : 1 .. SESSIONS) { open[s] = false } s = 0 }    /* the node crashes */
  od
}
