/**
 * The Job that turns a commit into an image (ADR 31). Its first container fetches the source and is the only one that sees
 * the forge's credential. What comes then is a client of a BuildKit daemon elsewhere, or the phases of a buildpack; the
 * phases that run the repository's own code see no credential at all.
 */
import type { V1Container, V1EnvVar, V1Volume, V1VolumeMount } from '@kubernetes/client-node';
import type { JobManifest, Manifest } from '../../../../effects/kubernetes/manifest.js';
import type { ServiceConfig } from '../../preview-config.js';
import { metadata } from './foundation.js';
import { imageName, prebuiltImage } from './image.js';
import type { BuildInput } from './input.js';
import { LABEL, placeKey } from './marks.js';
import { container, podSpec, variable } from './pod.js';
import { buildSecretName, buildSecrets, gitSecretName, placeMarks } from './secrets.js';
import { buildSize } from './sizes.js';

const SOURCE = '/workspace/source';
const SHA = /^[0-9a-f]{40}(?:[0-9a-f]{24})?$/;

/** Every value comes in by the environment: nothing of a pull request is ever part of a script. */
const FETCH = `
git init --quiet -- "${SOURCE}"
cd "${SOURCE}"
git remote add -- origin "$SOURCE_URL"
git fetch --quiet --no-tags --depth=1 origin "$SOURCE_SHA" ||
  git fetch --quiet --no-tags --depth=200 origin "$SOURCE_REF"
git -c advice.detachedHead=false checkout --quiet --detach "$SOURCE_SHA"
git submodule update --quiet --init --recursive --depth=1
if git lfs version >/dev/null 2>&1; then
  git lfs pull
elif git grep --quiet 'filter=lfs' -- '*.gitattributes' '.gitattributes'; then
  echo 'This repository keeps files in Git LFS, and the image that fetches it has no git-lfs.' >&2
  exit 65
fi
rm -rf .git
if [ -n "$SOURCE_DOCKERFILE" ] && [ ! -f "$SOURCE_DOCKERFILE" ]; then
  echo "There is no $SOURCE_DOCKERFILE in this commit. Say 'build: {dockerfile: PATH}' or 'image:' in .forgeway.yml." >&2
  exit 66
fi
`;

/** A link out of the checkout would send the client's own files, credentials too, as part of the build's context. */
const BUILD = `
for directory in "$BUILD_CONTEXT" "$BUILD_DOCKERFILE"; do
  case "$(cd -- "$directory" && pwd -P)/" in
    ${SOURCE}/*) ;;
    *) echo 'The build context lies outside the repository.' >&2; exit 64 ;;
  esac
done
buildctl "$@" --metadata-file /tmp/result.json
cat /tmp/result.json >/dev/termination-log
`;

const EXPORT = `
/cnb/lifecycle/exporter "$@"
cat /tmp/report.toml >/dev/termination-log
`;

const shell = (script: string) => ['/bin/sh', '-euc', script.trim()];

const workspace: V1VolumeMount = { name: 'workspace', mountPath: '/workspace' };

/** Git's configuration as variables, so that what it starts for submodules and large files keeps to it too. */
function gitEnvironment(input: BuildInput, dockerfile: string): V1EnvVar[] {
  const { source, sha } = input;
  const protocol = new URL(source.url).protocol.slice(0, -1);
  const settings: [string, string][] = [
    ['protocol.allow', 'never'],
    ...[...new Set(['https', protocol])].map((one): [string, string] => [`protocol.${one}.allow`, 'always']),
    ['http.followRedirects', 'false'],
    // A server that sends nothing for a minute is one that is away: said so, and not waited for until the build's time is over.
    ['http.lowSpeedLimit', '1000'],
    ['http.lowSpeedTime', '60'],
    ['core.hooksPath', '/dev/null'],
    ['core.fsmonitor', 'false'],
    ['transfer.fsckObjects', 'true'],
    ['safe.directory', '*'],
    // Knows one host, and gives its credential to that one alone.
    ['credential.helper', ''],
    ['credential.helper', 'store --file=/credentials/credentials'],
  ];
  return [
    ...[variable('HOME', '/tmp'), variable('GIT_TERMINAL_PROMPT', '0'), variable('GIT_CONFIG_NOSYSTEM', '1')],
    variable('GIT_CONFIG_COUNT', String(settings.length)),
    ...settings.flatMap(([key, value], index) => [
      variable(`GIT_CONFIG_KEY_${index}`, key),
      variable(`GIT_CONFIG_VALUE_${index}`, value),
    ]),
    ...[variable('SOURCE_URL', source.url), variable('SOURCE_SHA', sha), variable('SOURCE_REF', source.ref)],
    variable('SOURCE_DOCKERFILE', dockerfile),
  ];
}

function fetchContainer(input: BuildInput, dockerfile: string): V1Container {
  const { settings } = input.frame;
  return container({
    ...{ name: 'fetch', image: settings.build.gitImage, size: buildSize(input.frame), readOnly: true },
    ...{ command: shell(FETCH), env: gitEnvironment(input, dockerfile) },
    mounts: [workspace, { name: 'git', mountPath: '/credentials', readOnly: true }],
  });
}

const imageOf = (input: BuildInput, service: ServiceConfig) =>
  imageName(
    input.frame.settings,
    input.frame.identity,
    { name: service.name, only: input.frame.config.services.length === 1 },
    input.sha,
  );

/** As `buildctl` is given it: one list, never a line. */
function buildctlArguments(input: BuildInput, service: ServiceConfig & { source: { kind: 'dockerfile' } }): string[] {
  const { frame } = input;
  const { build } = frame.settings;
  const daemon = frame.trusted ? build.buildkit : build.untrustedBuildkit;
  if (daemon === undefined) throw new Error('no BuildKit daemon; see whyNot');
  const { dockerfile, context, target, args } = service.source;
  const image = imageOf(input, service);
  const cache = `${image.slice(0, image.lastIndexOf(':'))}:cache`;
  const tls = ['--tlscacert=/tls/ca.pem', '--tlscert=/tls/cert.pem', '--tlskey=/tls/key.pem'];
  return [
    `--addr=${daemon.address}`,
    ...(input.buildkitTls === undefined ? [] : tls),
    ...['build', '--progress=plain', '--frontend=dockerfile.v0'],
    ...['--local', `context=${SOURCE}/${context}`, '--local', `dockerfile=${SOURCE}/${directoryOf(dockerfile)}`],
    ...['--opt', `filename=${dockerfile.split('/').at(-1)}`],
    ...(target === undefined ? [] : ['--opt', `target=${target}`]),
    ...Object.entries(args).flatMap(([name, value]) => ['--opt', `build-arg:${name}=${value}`]),
    ...['--output', `type=image,name=${image},push=true`],
    ...(build.cache ? ['--import-cache', `type=registry,ref=${cache}`] : []),
    // What strangers build is never what others start from.
    ...(build.cache && frame.trusted
      ? [
          '--export-cache',
          `type=registry,ref=${cache},mode=max,image-manifest=true,oci-mediatypes=true,ignore-error=true`,
        ]
      : []),
  ];
}

const directoryOf = (path: string) => (path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '.');

interface Pod {
  initContainers: V1Container[];
  containers: V1Container[];
  volumes: V1Volume[];
  user?: number;
  group?: number;
}

function dockerfilePod(input: BuildInput, service: ServiceConfig & { source: { kind: 'dockerfile' } }): Pod {
  const { settings } = input.frame;
  const { dockerfile, context } = service.source;
  const hasTls = input.buildkitTls !== undefined;
  const build = container({
    ...{ name: 'build', image: settings.build.buildctlImage, size: buildSize(input.frame), readOnly: true },
    ...{ command: [...shell(BUILD), 'build'], args: buildctlArguments(input, service) },
    env: [
      variable('HOME', '/tmp'),
      variable('DOCKER_CONFIG', '/registry'),
      variable('BUILD_CONTEXT', `${SOURCE}/${context}`),
      variable('BUILD_DOCKERFILE', `${SOURCE}/${directoryOf(dockerfile)}`),
    ],
    mounts: [
      { ...workspace, readOnly: true },
      { name: 'registry', mountPath: '/registry', readOnly: true },
      ...(hasTls ? [{ name: 'tls', mountPath: '/tls', readOnly: true }] : []),
    ],
  });
  const secretName = buildSecretName(input);
  const keys = ['ca.pem', 'cert.pem', 'key.pem'];
  return {
    initContainers: [fetchContainer(input, `${SOURCE}/${dockerfile}`)],
    containers: [build],
    volumes: hasTls
      ? [{ name: 'tls', secret: { secretName, defaultMode: 0o440, items: keys.map((key) => ({ key, path: key })) } }]
      : [],
  };
}

function buildpackPod(input: BuildInput, service: ServiceConfig & { source: { kind: 'buildpack' } }): Pod {
  const { build } = input.frame.settings;
  if (build.buildpack === undefined) throw new Error('no buildpack builder; see whyNot');
  const { builder, runImage, user, group } = build.buildpack;
  const app = `-app=${SOURCE}/${service.source.context}`;
  const image = imageOf(input, service);
  const layers: V1VolumeMount = { name: 'layers', mountPath: '/layers' };
  const registry: V1VolumeMount = { name: 'registry', mountPath: '/registry', readOnly: true };
  const phase = (name: string, o: { command: string[]; args: string[]; pushes: boolean }) =>
    container({
      ...{ name, image: builder, size: buildSize(input.frame), command: o.command, args: o.args },
      env: [
        variable('HOME', '/tmp'),
        variable('CNB_PLATFORM_API', '0.12'),
        ...(o.pushes ? [variable('DOCKER_CONFIG', '/registry')] : []),
      ],
      mounts: [workspace, layers, ...(o.pushes ? [registry] : [])],
    });
  const lifecycle = (name: string, args: string[], pushes: boolean) =>
    phase(name, { command: [`/cnb/lifecycle/${name}`], args: [...args, '-layers=/layers'], pushes });
  return {
    ...{ user, group },
    initContainers: [
      fetchContainer(input, ''),
      phase('analyzer', {
        command: ['/cnb/lifecycle/analyzer'],
        args: ['-layers=/layers', ...(runImage === undefined ? [] : [`-run-image=${runImage}`]), image],
        pushes: true,
      }),
      lifecycle('detector', [app], false),
      lifecycle('restorer', [], true),
      lifecycle('builder', [app], false),
    ],
    containers: [
      phase('export', {
        command: [...shell(EXPORT), 'export'],
        args: [app, '-layers=/layers', '-report=/tmp/report.toml', image],
        pushes: true,
      }),
    ],
    volumes: [{ name: 'layers', emptyDir: { sizeLimit: build.size.disk } }],
  };
}

const buildJobName = (service: string, placeId: string): string => `build-${service}-${placeKey(placeId)}`;

function job(input: BuildInput, service: ServiceConfig, pod: Pod): JobManifest {
  const { frame } = input;
  const marks = placeMarks(input);
  const marked = metadata(frame, buildJobName(service.name, input.placeId), {
    ...{ part: 'build', annotations: marks.annotations },
    labels: { ...marks.labels, [LABEL.service]: service.name },
  });
  const { initContainers, containers, volumes, user, group } = pod;
  const { build } = frame.settings;
  return {
    ...{ apiVersion: 'batch/v1', kind: 'Job' },
    metadata: marked,
    spec: {
      // Only what the cluster itself ended is begun again; a build that failed has failed.
      backoffLimit: 2,
      podFailurePolicy: {
        rules: [
          { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
          { action: 'FailJob', onExitCodes: { operator: 'NotIn', values: [0] } },
        ],
      },
      activeDeadlineSeconds: build.timeoutSeconds,
      ttlSecondsAfterFinished: 86_400,
      template: {
        metadata: { labels: { ...marked.labels }, annotations: { ...marked.annotations } },
        spec: podSpec(frame, {
          ...{ initContainers, containers, user, group, restartPolicy: 'Never', tmpSize: '1Gi' },
          volumes: [
            { name: 'workspace', emptyDir: { sizeLimit: build.size.disk } },
            { name: 'git', secret: { secretName: gitSecretName(input), defaultMode: 0o440 } },
            {
              name: 'registry',
              secret: {
                ...{ secretName: buildSecretName(input), defaultMode: 0o440 },
                items: [{ key: 'config.json', path: 'config.json' }],
              },
            },
            ...volumes,
          ],
        }),
      },
    },
  };
}

const isDockerfile = (one: ServiceConfig): one is ServiceConfig & { source: { kind: 'dockerfile' } } =>
  one.source.kind === 'dockerfile';
const isBuildpack = (one: ServiceConfig): one is ServiceConfig & { source: { kind: 'buildpack' } } =>
  one.source.kind === 'buildpack';

/** The secrets of a build and a Job for each service that is built; nothing where all images are built elsewhere. */
export function builds(input: BuildInput): Manifest[] {
  if (!SHA.test(input.sha)) throw new Error('a build of something that is no commit');
  const jobs = input.frame.config.services.flatMap((service): JobManifest[] => {
    if (isDockerfile(service)) return [job(input, service, dockerfilePod(input, service))];
    if (isBuildpack(service)) return [job(input, service, buildpackPod(input, service))];
    return [];
  });
  return jobs.length === 0 ? [] : [...buildSecrets(input), ...jobs];
}

/** What the build of each service pushes; of the others what they name. `digests`: of what was built, see `builtDigest`. */
export function imagesOf(
  input: Pick<BuildInput, 'frame' | 'sha'>,
  digests: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const { frame, sha } = input;
  const only = frame.config.services.length === 1;
  return Object.fromEntries(
    frame.config.services.map(({ name, source }) => {
      if (source.kind === 'image') return [name, prebuiltImage(source.image, frame.identity, sha)];
      const image = imageName(frame.settings, frame.identity, { name, only }, sha);
      const digest = digests[name];
      return [name, digest === undefined ? image : `${image}@${digest}`];
    }),
  );
}
