/** The files under `deploy/kubernetes/`: what an administrator of a cluster applies by hand, once. */
import { stringify } from 'yaml';
import { accessManifests } from './access.js';
import { buildkitManifests } from './buildkit.js';

const BUILDKIT_IMAGE = 'docker.io/moby/buildkit:v0.25.1-rootless';

const file = (about: string, objects: readonly object[]) =>
  `# Made by \`npm run generate:docs\`; ${about}\n${objects
    .map((one) => `---\n${stringify(one, { lineWidth: 0, aliasDuplicateObjects: false })}`)
    .join('')}`;

/** Path to text. */
export const administratorFiles = (): Record<string, string> => ({
  'deploy/kubernetes/access.yaml': file(
    'what Forgeway may do. The namespace `forgeway` and the account’s name may be changed, in every place.',
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
