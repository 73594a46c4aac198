/**
 * A Probot app that treats its secrets badly: it logs them, throws them, and dies with them on its lips. What it is to do
 * stands in the body of an issue, `canary:throw`.
 */
import { setTimeout as sleep } from 'node:timers/promises';

const secrets = () => Object.entries(process.env).filter(([name]) => name.startsWith('CARRIER_'));
const all = () =>
  secrets()
    .map(([, value]) => value)
    .join(' | ');

function badError(name) {
  const cause = new Error(`caused by ${all()}`);
  const error = new Error(`${name} with ${all()}`, { cause });
  error.status = name === 'permanent' ? 422 : undefined;
  error.secrets = Object.fromEntries(secrets());
  error.request = {
    headers: { authorization: `token ${secrets()[0]?.[1]}`, cookie: all() },
    url: `http://x/?token=${all()}`,
  };
  error.response = { data: { message: all() }, headers: { 'set-cookie': all() } };
  return error;
}

const acts = {
  log(context) {
    for (const [name, value] of secrets()) {
      context.log.trace({ [name]: value }, `a secret: ${value}`);
      context.log.error({ err: new Error(value), nested: { deep: [value] } }, 'an error');
      console.log('printed', value);
      console.error('printed', { value });
    }
    process.stdout.write(`${all()}\n`);
  },
  throw() {
    throw badError('throw');
  },
  permanent() {
    throw badError('permanent');
  },
  aggregate() {
    throw new AggregateError([badError('first'), badError('second')], all());
  },
  text() {
    throw all();
  },
  async crash() {
    setTimeout(() => {
      throw badError('crash');
    }, 10);
    await sleep(5_000);
  },
  async reject() {
    void Promise.reject(badError('reject'));
    await sleep(5_000);
  },
  warn() {
    process.emitWarning(`warned of ${all()}`);
  },
  async comment(context) {
    await context.octokit.rest.issues.createComment(context.issue({ body: 'an answer' }));
  },
  async ask(context) {
    await context.octokit.rest.repos.get(context.repo());
  },
};

export default (app) => {
  app.on('issues.opened', async (context) => {
    const [, act] = /canary:(\w+)/.exec(context.payload.issue.body ?? '') ?? [];
    await acts[act]?.(context);
  });
  // Everything that it is told, and what it is told it with.
  app.onAny((context) => {
    app.log.trace({ id: context.id, name: context.name }, 'was told');
  });
};
