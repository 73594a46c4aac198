// (b) Probot's own middleware with an empty handler. It stores nothing.
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { createNodeMiddleware, createProbot } from 'probot';

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const probot = createProbot({
  overrides: {
    appId: 1,
    privateKey: privateKey.export({ type: 'pkcs1', format: 'pem' }),
    secret: 'bench-secret',
    logLevel: 'fatal',
  },
});
let handled = 0;
const app = (instance) => {
  // Counted, so that nobody is compared with a handler that is never called.
  instance.on('pull_request', async () => {
    handled += 1;
  });
};
const middleware = await createNodeMiddleware(app, { probot, webhooksPath: '/api/github/webhooks' });
const server = createServer((req, res) => {
  void middleware(req, res);
});
server.listen(0, '127.0.0.1', () => process.send?.({ port: server.address().port }));
process.on('message', () => process.send?.({ handled }));
process.on('disconnect', () => process.exit(0));
