/** The files under `deploy/kubernetes/`: what an administrator of a cluster applies by hand, once. */
import { stringify } from 'yaml';
import { accessManifests, type Who } from './access.js';
import { buildkitManifests } from './buildkit.js';

const BUILDKIT_IMAGE = 'docker.io/moby/buildkit:v0.25.1-rootless';

const documents = (objects: readonly object[]) =>
  objects.map((one) => `---\n${stringify(one, { lineWidth: 0, aliasDuplicateObjects: false })}`).join('');

const file = (about: string, objects: readonly object[]) =>
  `# Made by \`npm run generate:docs\`; ${about}\n${documents(objects)}`;

/** What lets somebody make previews on a cluster and do no more, for `kubectl apply -f -`. */
export const accessFile = (who: Who, outside: boolean): string => documents(accessManifests(who, outside));

/** Path to text. */
export const administratorFiles = (): Record<string, string> => ({
  'deploy/kubernetes/access.yaml': file(
    'what Forgeway may do, as the account `forgeway` of the namespace `forgeway`. `forgeway clusters access` prints it for another.',
    accessManifests({ namespace: 'forgeway', name: 'forgeway' }),
  ),
  'deploy/kubernetes/buildkit.yaml': file(
    'the BuildKit daemon for builds; needs the Secret `buildkitd-certificates`.',
    buildkitManifests({ namespace: 'forgeway-build', trust: 'trusted', image: BUILDKIT_IMAGE }),
  ),
  'deploy/kubernetes/buildkit-for-strangers.yaml': file(
    'a second one for builds of approved forks, which share nothing with the first.',
    buildkitManifests({ namespace: 'forgeway-build-strangers', trust: 'untrusted', image: BUILDKIT_IMAGE }),
  ),
});
