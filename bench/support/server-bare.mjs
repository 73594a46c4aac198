// (a) What any receiver must do at least: read the body and check its signature.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';

const server = createServer((req, res) => {
  const hmac = createHmac('sha256', 'bench-secret');
  req.on('data', (chunk) => hmac.update(chunk));
  req.on('end', () => {
    const expected = Buffer.from(`sha256=${hmac.digest('hex')}`);
    const given = Buffer.from(req.headers['x-hub-signature-256'] ?? '');
    const valid = expected.length === given.length && timingSafeEqual(expected, given);
    res.writeHead(valid ? 202 : 401, { 'content-length': 2 });
    res.end('ok');
  });
});
server.listen(0, '127.0.0.1', () => process.send?.({ port: server.address().port }));
process.on('disconnect', () => process.exit(0));
