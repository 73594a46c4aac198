/**
 * The shell programs that stand between Forgeway and a repository's commands. They are constant: everything that
 * varies comes as an argument. Written for POSIX sh with the tools that every Debian has (util-linux, coreutils, awk).
 */

/**
 * Closes every file that we were started with ourselves, those up to the first argument excepted, and goes on as the other
 * arguments. For bash: plain sh cannot name descriptors above 9, and node marks only the lowest ones as not to be inherited.
 */
export const CLOSE_FILES = `
last=$1
shift
for path in /proc/self/fd/*; do
  descriptor=${'$'}{path##*/}
  [ "$descriptor" -le "$last" ] || eval "exec $descriptor>&-"
done
exec "$@"
`;

/**
 * First process of new mount, PID and IPC namespaces, as root. Builds a root directory that holds the system's programs
 * read-only, the workspace, and nothing else of this machine, moves into it, and goes on as {@link SUPERVISE}.
 *
 * Arguments: new root, workspace, run directory, size of each tmpfs in KiB, directory of programs outside /usr or '',
 * control file of a memory group or '', then those of SUPERVISE with the paths as they are inside.
 */
export const ENTER_ROOT = String.raw`
set -eu
umask 022
root=$1 tree=$2 run=$3 tmp_kb=$4 programs=$5 memory_group=$6
shift 6
mount -t tmpfs -o size=1m,mode=755,nosuid,nodev forgeway "$root"
cd "$root"
for name in usr bin sbin lib lib32 lib64 libx32 nix; do
  if [ -L "/$name" ]; then
    ln -s "$(readlink "/$name")" "$name"
  elif [ -d "/$name" ]; then
    mkdir "$name"
    mount --rbind "/$name" "$name"
    mount -o remount,bind,ro,nosuid,nodev "$name"
  fi
done
mkdir dev etc proc run tmp var workspace old
mkdir -m 700 .forgeway
for name in alternatives ca-certificates.conf host.conf hosts ld.so.cache ld.so.conf ld.so.conf.d localtime mime.types \
  nsswitch.conf os-release protocols resolv.conf services ssl; do
  if [ -L "/etc/$name" ]; then
    ln -s "$(readlink "/etc/$name")" "etc/$name"
  elif [ -d "/etc/$name" ]; then
    mkdir "etc/$name"
    mount --bind "/etc/$name" "etc/$name"
  elif [ -e "/etc/$name" ]; then
    : >"etc/$name"
    mount --bind "/etc/$name" "etc/$name"
  fi
done
cat "$run/passwd" >etc/passwd
cat "$run/group" >etc/group
if [ -n "$programs" ] && [ ! -e ".$programs" ]; then
  mkdir -p ".$programs"
  mount --rbind "$programs" ".$programs"
  mount -o remount,bind,ro,nosuid,nodev ".$programs"
fi
if [ -d /run/systemd/resolve ]; then
  mkdir -p run/systemd/resolve
  mount --bind /run/systemd/resolve run/systemd/resolve
fi
mount --bind "$tree" workspace
mount -o remount,bind,nosuid,nodev workspace
mount --bind "$run" .forgeway
if [ -n "$memory_group" ]; then
  : >.forgeway/memory-group
  mount --bind "$memory_group" .forgeway/memory-group
fi
mount -t tmpfs -o "size=$tmp_kb"k,mode=1777,nosuid,nodev forgeway tmp
ln -s /tmp var/tmp
mount -t proc -o nosuid,nodev,noexec proc proc
mount -t tmpfs -o size=64k,mode=755,nosuid,noexec forgeway dev
for name in null zero full random urandom tty; do
  : >"dev/$name"
  mount --bind "/dev/$name" "dev/$name"
done
ln -s /proc/self/fd dev/fd
ln -s /proc/self/fd/0 dev/stdin
ln -s /proc/self/fd/1 dev/stdout
ln -s /proc/self/fd/2 dev/stderr
mkdir dev/shm
mount -t tmpfs -o "size=$tmp_kb"k,mode=1777,nosuid,nodev,noexec forgeway dev/shm
mount -o remount,ro,nosuid,noexec dev
pivot_root . old
cd /
umount -l /old
rmdir /old
mount -o remount,ro,nosuid,nodev /
set +e
`;

/**
 * Runs one command, keeps the last part of what it prints, watches time, disk and memory, and leaves
 * `<run>/exit` ("code reason") when it is over. It needs no Forgeway: the limits hold while no worker runs.
 *
 * Arguments: run directory, workspace, uid of the command or '-', seconds it may run or 0, KiB and files the workspace
 * may hold, KiB of memory or 0 (a memory group does it), bytes per log file, control file of a memory group or '', then
 * `follow`, `whole` or '' and bytes of lines, then the command.
 *
 * With `follow` and `whole` the command is given `<run>/inbox` on its standard input, in the first case also what is added
 * to it later, and its standard output is added to `<run>/spool` up to the limit: nothing of either depends on us. While there
 * is `<run>/waiting` its time stands still, for at most a week in all.
 */
export const SUPERVISE = `
umask 077
run=$1 workspace=$2 uid=$3 seconds=$4 disk_kb=$5 files=$6 memory_kb=$7 log_bytes=$8 group=$9
input=${'$'}{10} spool_bytes=${'$'}{11}
shift 11
rm -f "$run/exit" "$run/reason" "$run/out"
# Hundredths of a second; seven days.
most_waited=60480000
mkfifo -m 600 "$run/out" || exit 70

keep() {
  while stdbuf -o0 head -c "$log_bytes" >"$run/log"; do
    [ "$(stat -c %s "$run/log")" -ge "$log_bytes" ] || return
    mv -f "$run/log" "$run/log.1"
  done
}

stop() {
  if [ "$uid" != - ]; then
    setpriv --reuid "$uid" --regid "$uid" --clear-groups -- kill -KILL -1 2>/dev/null
  fi
  kill -KILL "$child" 2>/dev/null
}

blame() {
  echo "$1" >"$run/reason"
  while kill -0 $$ 2>/dev/null; do stop; sleep 1; done
  exit
}

# Reads /proc/uptime, in hundredths of a second, without starting a process.
clock() {
  read -r uptime _ </proc/uptime
  clock="${'$'}{uptime%.*}${'$'}{uptime#*.}"
}

# Directories in /proc of the command's processes: those of its uid, else those of its PID namespace as its first process
# sees them, which includes namespaces within, else those of its session.
members() {
  if [ "$uid" != - ]; then
    grep -sl "^Uid:[[:space:]]*$uid[[:space:]]" /proc/[0-9]*/status
    return
  fi
  inner=
  read -r inner _ <"/proc/$child/task/$child/children"
  if [ -n "$inner" ] && [ "$(readlink "/proc/$inner/ns/pid")" != "$(readlink /proc/self/ns/pid)" ]; then
    printf '%s\\n' "/proc/$inner/root/proc"/[0-9]*/status
    return
  fi
  grep -sl "^[0-9]* (.*) [A-Za-z] [0-9]* [0-9]* $$ " /proc/[0-9]*/stat
}

# KiB of memory that they hold. By thread: where the first one has ended, only the others still show the memory.
resident() {
  set -- $(sed 's:/stat[us]*$:/task/[0-9]*/status:' "$run/members")
  cat "$@" 2>/dev/null | awk '
    /^Tgid:/ { of = $2; size = 0 }
    /^Vm(RSS|Swap):/ { size += $2; if (size > most[of]) most[of] = size }
    END { for (of in most) sum += most[of]; print sum + 0 }'
}

# KiB of disk and KiB of memory in files that have no name any more and are open or mapped: du cannot see them. Threads may
# have open files of their own. What a mapping leads to only root may ask.
nameless() {
  set -- $(sed -e 's:/stat[us]*$::' -e 's:.*:&/task/[0-9]*/fd &/map_files:' "$run/members")
  [ $# -gt 0 ] || { echo 0 0; return; }
  find "$@" -maxdepth 1 -lname '* (deleted)' -exec stat -L -c 'file %n %h %d:%i %b' '{}' + \\
    -exec stat -L -f -c 'system %n %T' '{}' + 2>/dev/null | awk '
    $1 == "file" && $3 == 0 { inode[$2] = $4; blocks[$4] = $5 }
    $1 == "system" { system_of[$2] = $3 }
    END {
      for (path in inode) {
        if (seen[inode[path]]++) continue
        if (system_of[path] ~ /^(tmpfs|ramfs|hugetlbfs)$/) memory += blocks[inode[path]]
        else disk += blocks[inode[path]]
      }
      printf "%d %d\\n", disk / 2, memory / 2
    }'
}

# Writes down when the log was last added to, and how much it held then, of the two files that are kept: log-times.ts reads it.
noted=
note() {
  set -- $(stat -c '%.3Y %i %s' "$run/log" 2>/dev/null)
  [ -n "${'$'}{3:-}" ] || return 0
  [ "$2 $3" != "$noted" ] || return 0
  before_that=${'$'}{noted%% *}
  if [ -n "$before_that" ] && [ "$2" != "$before_that" ]; then
    grep " $before_that " "$run/log-times" >"$run/log-times.new" 2>/dev/null
    mv -f "$run/log-times.new" "$run/log-times"
  elif [ -n "$before_that" ] && [ "$3" -lt "${'$'}{noted##* }" ]; then
    : >"$run/log-times"
  fi
  echo "$1 $2 $3" >>"$run/log-times"
  noted="$2 $3"
}

watch() {
  clock
  deadline=$((clock + seconds * 100))
  last=$clock
  waited=0
  pause=1
  while sleep "$pause" && kill -0 $$ 2>/dev/null; do
    note
    clock
    before=$clock
    if [ -e "$run/waiting" ] && [ "$waited" -lt "$most_waited" ]; then
      waited=$((waited + before - last))
      deadline=$((deadline + before - last))
    fi
    last=$before
    [ "$seconds" -eq 0 ] || [ "$clock" -lt "$deadline" ] || blame time
    members >"$run/members" 2>/dev/null
    set -- $(nameless) $(du -skx "$workspace" 2>/dev/null)
    [ $((${'$'}{3:-0} + ${'$'}{1:-0})) -le "$disk_kb" ] || blame disk
    [ "$memory_kb" -eq 0 ] || [ $(($(resident) + ${'$'}{2:-0})) -le "$memory_kb" ] || blame memory
    set -- $(du -sx --inodes "$workspace" 2>/dev/null)
    [ "${'$'}{1:-0}" -le "$files" ] || blame files
    clock
    # Watching may cost a twentieth of one processor, however large the workspace is.
    pause=$((1 + (clock - before) / 5))
    if [ "$seconds" -gt 0 ] && [ "$pause" -gt 5 ]; then pause=5; fi
  done
}

keep <"$run/out" &
keeper=$!
in=/dev/null
lines=$run/out
feeder=
spooler=
if [ -n "$input" ]; then
  in=$run/in
  lines=$run/lines
  rm -f "$in" "$lines"
  mkfifo -m 600 "$in" "$lines" || exit 70
  if [ "$input" = follow ]; then
    tail -s 0.2 -c +1 -f "$run/inbox" >"$in" 2>/dev/null &
  else
    cat "$run/inbox" >"$in" 2>/dev/null &
  fi
  feeder=$!
  {
    stdbuf -o0 head -c "$spool_bytes" >>"$run/spool"
    exec cat >/dev/null
  } <"$lines" &
  spooler=$!
fi
if [ -n "$group" ]; then
  (exec 4>"$group" && echo 0 >&4 && exec 4>&- && exec "$@") <"$in" >"$lines" 2>"$run/out" &
else
  "$@" <"$in" >"$lines" 2>"$run/out" &
fi
child=$!
watch &
watcher=$!
wait "$child"
code=$?
kill -KILL "$watcher" 2>/dev/null
stop
[ -z "$feeder" ] || kill -KILL "$feeder" 2>/dev/null
wait "$keeper" $spooler
reason=$(cat "$run/reason" 2>/dev/null)
echo "$code ${'$'}{reason:-exit}" >"$run/exit.new"
mv -f "$run/exit.new" "$run/exit"
exit "$code"
`;
