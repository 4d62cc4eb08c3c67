/* Mutual authentication with evolving keys (M1 to M4): epochs and handshakes; MACs are what they say.
 *
 * The network drops, repeats, reorders and holds up; either side crashes, and has then what it stored. The node holds two
 * handshakes, since one may have been held up. Asserted: the device is 0 or 1 epochs ahead; the node never goes back; a
 * handshake is opened once by either, and by the device only if by the node; whatever was lost, a clean handshake ends
 * in a session. Each of the names below takes out a safeguard, and must be found:
 *
 *   SEND_FIRST  the device sends M3 before it stores the next epoch
 *   NO_CHECK    M3 is taken whatever is stored meanwhile
 *   TWICE       M3 and M4 are taken again
 *   NO_CATCH_UP the node does not go on to the epoch of the device
 */
#ifndef ANSWERS
#define ANSWERS 2
#endif
#define ATTEMPTS 2

mtype = { M1, M2, M3, M4 };
chan to_node = [2] of { mtype, byte, byte, byte };    /* epoch, attempt, answer */
chan to_device = [2] of { mtype, byte, byte, byte };

byte device, node;              /* the stored epochs */
byte attempt, answers;
byte awaits, its_epoch, its_answer;    /* the device: 0 nothing, 2 M2, 4 M4 */
bool held[2]; byte held_epoch[2], held_attempt[2], held_answer[2];
byte node_opened[ANSWERS], device_opened[ANSWERS];

#define send(c, m, e, r, s) if :: nfull(c) -> c!m(e, r, s) :: skip fi
#define gap assert(device >= node && device - node <= 1)

active proctype Device() {
  byte e, r, s;
end: do
  :: attempt < ATTEMPTS -> atomic {
       attempt++; awaits = 2; send(to_node, M1, device, attempt, 0) }
  :: awaits != 0 -> awaits = 0                        /* crashes, or gives up */
  :: atomic { to_device?M2(e, r, s) ->
       if
       :: awaits == 2 && r == attempt && e >= device && e - device <= 1 ->
#ifdef SEND_FIRST
            if
            :: send(to_node, M3, e, r, s); awaits = 0; goto end
            :: skip
            fi;
#endif
            device = e + 1; awaits = 4; its_epoch = e; its_answer = s; gap;
            send(to_node, M3, e, r, s)
       :: else
       fi }
  :: atomic { to_device?M4(e, r, s) ->
       if
       :: awaits == 4 && r == attempt && e == its_epoch && s == its_answer ->
            device_opened[s]++; assert(device_opened[s] == 1 && node_opened[s] == 1);
#ifndef TWICE
            awaits = 0
#endif
       :: else
       fi }
  :: atomic { attempt == ATTEMPTS && awaits == 0 ->    /* a clean handshake */
#ifdef NO_CATCH_UP
       assert(device == node);
#endif
       gap; break }
  od
}

active proctype Node() {
  byte e, r, s, i;
end: do
  :: held[0] || held[1] -> atomic { held[0] = false; held[1] = false }    /* crashes */
  :: atomic { answers < ANSWERS && to_node?[M1(e, r, s)] -> to_node?M1(e, r, s);
       if
#ifndef NO_CATCH_UP
       :: e == node + 1 -> node = e; gap
#endif
       :: e == node || e + 1 == node
       :: else -> goto end
       fi;
       if :: !held[0] -> i = 0 :: else -> i = 1 fi;
       held[i] = true; held_epoch[i] = node; held_attempt[i] = r; held_answer[i] = answers;
       send(to_device, M2, node, r, answers); answers++ }
  :: atomic { to_node?M3(e, r, s) ->
       if
       :: held[0] && held_epoch[0] == e && held_attempt[0] == r && held_answer[0] == s -> i = 0
       :: held[1] && held_epoch[1] == e && held_attempt[1] == r && held_answer[1] == s -> i = 1
       :: else -> goto end
       fi;
#ifndef NO_CHECK
       if :: node == e :: else -> goto end fi;
#endif
       assert(e + 1 > node); node = e + 1; gap;
       node_opened[s]++; assert(node_opened[s] == 1);
#ifdef TWICE
       node--;
#else
       held[i] = false;
#endif
       send(to_device, M4, e, r, s) }
  od
}

active proctype Network() {
  mtype m; byte e, r, s;
end: do
  :: atomic { to_node?m(e, r, s) -> if :: skip :: to_node!m(e, r, s) fi }             /* drops, reorders */
  :: atomic { to_device?m(e, r, s) -> if :: skip :: to_device!m(e, r, s) fi }
  :: atomic { to_node?<m, e, r, s> -> send(to_node, m, e, r, s) }          /* repeats */
  :: atomic { to_device?<m, e, r, s> -> send(to_device, m, e, r, s) }
  od
}
