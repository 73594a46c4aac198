/** Events that no forge sends: what apps write through Forgeway tells other apps, from their request to their handler. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { App } from '../../src/translate/bridge.js';
import { type ConnectedForge, fakedForges, startConnectedForge } from '../support/connected-forge.js';
import { githubDefinitionErrors, githubEventErrors } from '../support/webhook-schema.js';

const place = { owner: 'acme', name: 'shop' };

// biome-ignore lint/suspicious/noExplicitAny: payloads of several events, of which each case reads its own field.
type Loose = any;

/** One app asks for things when an issue says so; another hears of them, and one goes on for ever if it is let. */
function appsOf() {
  const heard: { name: string; payload: Loose }[] = [];
  const asking: App = {
    name: 'asking',
    load: (probot) => {
      probot.on('issues.opened', async (context) => {
        const { octokit, payload } = context;
        const { title } = payload.issue;
        if (title === 'deploy') {
          const made = await octokit.rest.repos.createDeployment({
            ...context.repo({ ref: 'main', environment: 'staging', required_contexts: [], auto_merge: false }),
          });
          const { id } = made.data as { id: number };
          for (const state of ['in_progress', 'success', 'inactive'] as const)
            await octokit.rest.repos.createDeploymentStatus(context.repo({ deployment_id: id, state }));
        } else
          await octokit.rest.repos.createDispatchEvent(
            context.repo({ event_type: title, client_payload: { issue: title } }),
          );
      });
    },
  };
  const hearing: App = {
    name: 'hearing',
    load: (probot) => {
      probot.on(['repository_dispatch', 'deployment', 'deployment_status'], async ({ name, payload }) => {
        heard.push({ name, payload });
      });
    },
  };
  const endless: App = {
    name: 'endless',
    load: (probot) => {
      probot.on('repository_dispatch', async (context) => {
        const { octokit, payload } = context;
        if ((payload.action as string) === 'again')
          await octokit.rest.repos.createDispatchEvent(context.repo({ event_type: 'again' }));
      });
    },
  };
  return { heard, apps: [asking, hearing, endless] };
}

describe.each(fakedForges.map((descriptor) => ({ descriptor, label: descriptor.label })))(
  'on $label',
  ({ descriptor }) => {
    const { heard, apps } = appsOf();
    let connected: ConnectedForge;
    beforeAll(async () => {
      connected = await startConnectedForge(descriptor, {
        apps,
        people: ['alice'],
        repository: { ...place, people: { alice: 'write' } },
      });
    });
    afterAll(() => connected.close());

    const ask = async (title: string) => {
      heard.length = 0;
      await connected.fake.as('alice', place).openIssue({ title });
      await connected.quiet();
    };

    it('an app hears what another dispatches, in GitHub’s shape', async () => {
      await ask('greet');
      expect(heard).toMatchObject([
        {
          name: 'repository_dispatch',
          payload: {
            action: 'greet',
            branch: 'main',
            client_payload: { issue: 'greet' },
            repository: { name: 'shop' },
            sender: { login: connected.fake.bot.login, type: 'Bot' },
            installation: { id: expect.any(Number) },
          },
        },
      ]);
      expect(githubDefinitionErrors('repository_dispatch$event', heard[0]?.payload)).toEqual([]);
    });

    it('a chain of them ends', async () => {
      await ask('again');
      expect(heard.length).toBeGreaterThan(1);
      expect(heard.length).toBeLessThan(5);
    });

    it('a deployment and its states are told once each', async () => {
      await ask('deploy');
      const states = heard.map(({ name, payload }) => [name, payload.deployment_status?.state]);
      // A forge that deploys itself tells what it saw of them.
      if (descriptor.ownEvents === undefined) return;
      expect(states).toEqual([
        ['deployment', undefined],
        ['deployment_status', 'in_progress'],
        ['deployment_status', 'success'],
      ]);
      for (const { name, payload } of heard) {
        expect([name, githubEventErrors(name, payload)]).toEqual([name, []]);
        expect(payload).toMatchObject({
          action: 'created',
          deployment: { environment: 'staging', ref: 'main' },
          repository: { name: 'shop' },
        });
      }
    });
  },
);
