/**
 * The programs that give a sandbox its network: a loopback of its own, and one relay through the wall. Constant, like
 * those of sandbox-script.ts; what varies comes as an argument.
 */

/**
 * Brings up the loopback of a new network namespace, as root: SIOCSIFFLAGS with IFF_UP and IFF_RUNNING where there is no
 * iproute2, which small Debian images leave out, while perl-base is everywhere.
 */
export const RAISE_LOOPBACK = `
ip link set lo up 2>/dev/null || perl -e '
  socket(my $socket, 2, 2, 0) or die "socket: $!";
  my $request = pack("a16 s x14", "lo", 0x41);
  ioctl($socket, 0x8914, $request) or die "ioctl: $!";
' || exit 71
`;

/**
 * Relays connections, for \`node -e\`. Arguments: the port to listen on, or \`-\` for the listening socket that was inherited
 * as descriptor 3; and the port or the path of a socket to connect to. A port is one of loopback, either family.
 */
export const RELAY = `
const { connect, createServer } = require('node:net');
const [listen, target] = process.argv.slice(1);
const loopback = [{ address: '127.0.0.1', family: 4 }, { address: '::1', family: 6 }];
const lookup = (name, options, done) => done(null, loopback);
const isPort = (text) => /^[0-9]+$/.test(text);
const place = isPort(target) ? { host: 'localhost', port: Number(target), lookup, autoSelectFamily: true } : { path: target };
const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
  const far = connect({ ...place, allowHalfOpen: true, noDelay: true });
  for (const [from, to] of [[near, far], [far, near]]) {
    from.on('error', () => from.destroy());
    // One that ended well has ended the other through the pipe, which may still have bytes to send.
    from.on('close', (failed) => { if (failed || !from.readableEnded) to.destroy(); });
    from.pipe(to);
  }
});
server.maxConnections = 512;
server.listen(isPort(listen) ? { host: '127.0.0.1', port: Number(listen) } : { fd: 3 });
`;

/**
 * Goes on as the command, with a relay beside it that is no child of the command's and is started again when it ends.
 * Arguments: node, the relay's program, its two arguments, then the command.
 *
 * @param drop words that start a program without privileges, where they are had
 */
export const withRelay = (drop: string) => `
node=$1 relay=$2 listen=$3 target=$4
shift 4
(
  while :; do
    ${drop} env -i "$node" --max-old-space-size=32 -e "$relay" "$listen" "$target"
    sleep 1
  done </dev/null >/dev/null 2>&1 &
)
# A door's connections wait in its socket; who goes out through a port must find it open.
if [ "$listen" != - ]; then
  open=$(printf ':%04X 00000000:0000 0A ' "$listen")
  tries=0
  until grep -q "$open" /proc/net/tcp || [ "$tries" -ge 200 ]; do
    tries=$((tries + 1))
    sleep 0.05
  done
fi
exec "$@" 3<&-
`;
