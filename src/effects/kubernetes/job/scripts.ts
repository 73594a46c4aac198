/**
 * The programs of a job's containers, for any `sh`: `fetch` brings what it begins with, `work` runs the command and knows
 * nothing of us, `courier` listens for what the job is told and brings back what it leaves. The three share one directory.
 * Constant text: everything that varies comes in by the environment and by arguments.
 */

/** Every path but this one is a variable, so that a kubelet that is no kubelet can put it elsewhere. */
const WORKSPACE = '$FORGEWAY_WORKSPACE';

/** The input is given to the first pod that asks, so that a second one of the same job never begins. */
export const FETCH = `
set -u
tries=0
until code=$(curl -sS --max-time 900 -o "$FORGEWAY_SCRATCH/input.tgz" -w '%{http_code}' "$FORGEWAY_INPUT?pod=$FORGEWAY_POD") &&
  [ "$code" = 200 ]; do
  case $code in
  408 | 425 | 429) ;;
  4??) echo "Forgeway does not give this pod what it begins with (HTTP $code)." >&2; exit 66 ;;
  esac
  tries=$((tries + 1))
  if [ "$tries" -ge "$FORGEWAY_TRIES" ]; then
    echo "Forgeway did not answer at the address that the cluster's settings name (jobs.url), or not usefully (HTTP $code)." >&2
    exit 69
  fi
  sleep "$FORGEWAY_PAUSE"
done
tar -xzf "$FORGEWAY_SCRATCH/input.tgz" -C "${WORKSPACE}" || exit 74
rm -f "$FORGEWAY_SCRATCH/input.tgz"
`;

/** The first line of every log: one that begins with another has lost its beginning, since a node keeps only so much of it. */
export const LOG_BEGINS = 'forgeway: the command begins';

/**
 * Runs its arguments in FORGEWAY_DIRECTORY. What belongs to the command is known by a variable of its environment: whoever
 * signals by a process's name alone would meet others where processes are shared.
 */
export const WORK = `
set -u
umask 077
echo '${LOG_BEGINS}'
io=${WORKSPACE}/io
signal() {
  for process in /proc/[0-9]*; do
    if [ -n "$2" ]; then
      read -r name <"$process/comm" 2>/dev/null || continue
      case " $2 " in *" $name "*) ;; *) continue ;; esac
    fi
    tr '\\0' '\\n' 2>/dev/null <"$process/environ" | grep -qxF "FORGEWAY_WORK=$FORGEWAY_JOB" || continue
    kill "-$1" "\${process#/proc/}" 2>/dev/null
  done
}
# From the pipe to a file that is only added to, at most so much; the rest is read all the same, so that nobody waits for it.
pour() {
  exec >>"$io/printed"
  left=$FORGEWAY_PRINTS
  while dd bs=65536 count=1 of="$io/piece" 2>/dev/null && [ -s "$io/piece" ]; do
    [ "$left" -gt 0 ] || continue
    head -c "$left" "$io/piece"
    left=$((left - $(wc -c <"$io/piece")))
  done
  rm -f "$io/piece"
}
keep() {
  used=0
  late=0
  while sleep 1; do
    [ -e "$io/waiting" ] || used=$((used + 1))
    if [ -e "$io/interrupt" ]; then
      rm -f "$io/interrupt"
      signal TERM "$FORGEWAY_INTERRUPTS"
    fi
    [ ! -e "$io/end" ] || signal KILL ''
    if [ "$used" -eq "$FORGEWAY_SECONDS" ]; then
      echo time >"$io/ended"
      signal TERM ''
    fi
    [ "$used" -lt $((FORGEWAY_SECONDS + 10)) ] || signal KILL ''
    [ ! -e "$io/over" ] || late=$((late + 1))
    # Something that hides from us still has the pipe.
    [ "$late" -lt 10 ] || kill "$pourer"
  done
}
mkdir -p "$io"
cd "$FORGEWAY_DIRECTORY" || exit 72
feeder=
[ ! -f "$FORGEWAY_FIRST" ] || cat "$FORGEWAY_FIRST" >>"$io/inbox"
case $FORGEWAY_LISTENS in
follow)
  mkfifo "$io/in" || exit 73
  tail -c +1 -f "$io/inbox" >"$io/in" 2>/dev/null &
  feeder=$!
  exec 3<"$io/in"
  ;;
whole) exec 3<"$io/inbox" ;;
*) exec 3</dev/null ;;
esac
pourer=
if [ -n "$FORGEWAY_PRINTS" ]; then
  : >"$io/printed"
  mkfifo "$io/out" || exit 73
  pour <"$io/out" 2>/dev/null 3<&- &
  pourer=$!
  exec 5>"$io/out"
else
  exec 5>&1
fi
if [ "$FORGEWAY_ERRORS" = apart ]; then exec 4>"$io/errors"; else exec 4>&5; fi
FORGEWAY_WORK=$FORGEWAY_JOB "$@" <&3 >&5 2>&4 3<&- 4>&- 5>&- &
work=$!
exec 3<&- 4>&- 5>&-
keep >/dev/null 2>&1 &
keeper=$!
wait "$work"
code=$?
reason=exit
[ ! -s "$io/ended" ] || reason=time
: >"$io/over"
signal KILL ''
[ -z "$pourer" ] || wait "$pourer"
kill "$keeper" $feeder 2>/dev/null
if [ "$FORGEWAY_PACKS" = tree ]; then
  cd "${WORKSPACE}" || exit 72
  [ "$FORGEWAY_RESUMES" = no ] || tar -czf "$io/rest.tgz" source task home
  git -C source clean -ffdXq
  rm -rf source/.git
  tar -czf "$io/result.tgz" source task
fi >/dev/null 2>&1
echo "$code $reason" >"$FORGEWAY_SAYS"
: >"$io/exit"
`;

/**
 * Listens until the command has ended, or until we say that it has, and sends meanwhile what it prints; then sends what is left, until
 * it has arrived. What was printed is opened once, and only where it lies there itself and is no link to something of the courier's.
 */
export const COURIER = `
set -u
io=${WORKSPACE}/io
heard=0
mkdir -p "$io"
hear() {
  curl -fsS --max-time 60 -o "$FORGEWAY_SCRATCH/words" "$FORGEWAY_WORDS?after=$heard" 2>/dev/null || return 0
  while read -r at kind rest; do
    case $kind in
    interrupt) : >"$io/interrupt" ;;
    end) : >"$io/end" ;;
    finish) : >"$io/finish" ;;
    pause) : >"$io/waiting" ;;
    go) rm -f "$io/waiting" ;;
    say | note)
      [ "$kind" = note ] || rm -f "$io/waiting"
      printf %s "$rest" | base64 -d >>"$io/inbox"
      ;;
    esac
    heard=$at
  done <"$FORGEWAY_SCRATCH/words"
}
send() {
  while :; do
    code=$(curl -sS --max-time 1800 -o /dev/null -w '%{http_code}' -H 'content-type: application/gzip' -T "$2" "$FORGEWAY_OUTPUT?part=$1")
    case $code in
    2??) return 0 ;;
    408 | 425 | 429) ;;
    4??) echo "Forgeway does not take what it left (HTTP $code)." >&2; return 1 ;;
    esac
    sleep "$FORGEWAY_PAUSE"
  done
}
brought=0
isOpen=no
piece=$FORGEWAY_SCRATCH/piece
open() {
  [ -n "$FORGEWAY_PRINTS" ] && [ -f "$io/printed" ] && exec 3<"$io/printed" || return 1
  if [ "$(readlink "/proc/$$/fd/3")" = "$(readlink -f "${WORKSPACE}")/io/printed" ]; then isOpen=yes; else exec 3<&-; fi
  [ "$isOpen" = yes ]
}
# 1: not now. 2: never.
bring() {
  [ "$isOpen" = yes ] || open || return 0
  while :; do
    [ -s "$piece" ] || dd bs=65536 count=16 of="$piece" <&3 2>/dev/null
    [ -s "$piece" ] || return 0
    code=$(curl -sS --max-time 300 -o /dev/null -w '%{http_code}' -H 'content-type: application/gzip' -T "$piece" "$FORGEWAY_OUTPUT?part=printed&at=$brought" 2>/dev/null)
    case $code in
    2??) ;;
    408 | 425 | 429) return 1 ;;
    4??) echo "Forgeway does not take what it printed (HTTP $code)." >&2; return 2 ;;
    *) return 1 ;;
    esac
    brought=$((brought + $(wc -c <"$piece")))
    : >"$piece"
  done
}
until [ -e "$io/exit" ] || [ -e "$io/finish" ]; do
  hear
  bring
  sleep "$FORGEWAY_PAUSE"
done
until bring; do
  [ $? -ne 2 ] || exit 76
  sleep "$FORGEWAY_PAUSE"
done
if [ -n "$FORGEWAY_PACK" ]; then
  (cd "${WORKSPACE}" && tar -czf "$FORGEWAY_SCRATCH/result.tgz" $FORGEWAY_PACK) || exit 74
  send result "$FORGEWAY_SCRATCH/result.tgz" || exit 76
  exit 0
fi
for part in rest result; do
  [ -f "$io/$part.tgz" ] && [ ! -L "$io/$part.tgz" ] || continue
  send "$part" "$io/$part.tgz" || exit 76
done
`;
