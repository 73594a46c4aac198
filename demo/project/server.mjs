import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';

const page = await readFile('public/index.html');
const server = createServer((request, response) => {
  const found = request.url === '/' || request.url?.startsWith('/?');
  response.writeHead(found ? 200 : 404, { 'content-type': found ? 'text/html; charset=utf-8' : 'text/plain' });
  response.end(found ? page : 'Not found\n');
});
server.listen(Number(process.env.PORT ?? 8080), process.env.HOST ?? '127.0.0.1', () => {
  console.log(`Listening on port ${server.address().port}.`);
});
process.on('SIGTERM', () => {
  server.close();
  server.closeAllConnections();
});
