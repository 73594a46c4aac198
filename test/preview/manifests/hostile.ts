/** What strangers and careless people may write, and manifests made of it. */

import { previewConfigOf, previewSection } from '../../../src/jobs/preview/config-schema.js';
import type { PreviewFrame, RunInput } from '../../../src/jobs/preview/kubernetes/manifests/input.js';
import {
  builds,
  foundation,
  imagesOf,
  routes,
  running,
} from '../../../src/jobs/preview/kubernetes/manifests/manifests.js';
import { type ClusterSettings, clusterSettings } from '../../../src/jobs/preview/kubernetes/manifests/settings.js';
import type { PreviewIdentity } from '../../../src/jobs/preview/name.js';
import { nameCandidates } from '../../../src/jobs/preview/name.js';
import type { PreviewConfig } from '../../../src/jobs/preview/preview-config.js';
import type { Found } from './pod-security.js';

/** Texts of section J: valid as names of branches, values of variables and more. */
export const CORPUS = [
  ...['$(id)', '`id`', 'a;id', 'a|id', 'a&&id', 'a$IFS$9id', "a'id", 'a"id', '-x', '--upload-pack=touch${IFS}x'],
  ...['--output=x', '@', 'HEAD', 'refs/heads/x', 'a{b}', '${{github.token}}', '<img/src=x>', '<!--x-->', '%2e%2e%2f'],
  ...['#x', '!x', '>x', '(x)', '\u202Ex', 'a\u200Bb', '\u212Aelvin', 'é', 'e\u0301', '🎉', 'r'.repeat(244)],
  ...['ref;curl${IFS}169.254.169.254', 'a'.repeat(40), 'x\n::set-output name=a::b', 'x\r\nX-H: y', '\u001b[31mred'],
  ...['```', '</script>', 'javascript:alert(1)', '@everyone', '!!js/function "x"', '<<: *a', '{{ .Values }}', '=cmd()'],
  ...[
    'x\u0000y',
    '$(DATABASE_URL)',
    '$$(PATH)',
    ' ',
    '.',
    '..',
    '_',
    'kube-system',
    'default',
    '漢字',
    '0',
    'A',
    'a--b',
  ],
  ...['true', 'null', '1e3', '~', '*', '&a', '? x'],
];

export const settingsOf = (changes: Record<string, unknown> = {}): ClusterSettings =>
  clusterSettings.parse({
    ...{ domain: 'preview.example.net', untrustedDomain: 'strangers.example.org' },
    route: {
      kind: 'ingress',
      className: 'nginx',
      from: { namespace: 'ingress-nginx', labels: { app: 'ingress' } },
      tlsSecret: 'wildcard',
    },
    build: {
      buildkit: {
        address: 'tcp://buildkitd.forgeway-build.svc:1234',
        to: { namespace: 'forgeway-build', labels: { app: 'buildkitd' } },
      },
      untrustedBuildkit: {
        address: 'tcp://buildkitd.forgeway-strangers.svc:1234',
        to: { namespace: 'forgeway-strangers', labels: { app: 'buildkitd' } },
      },
      buildpack: { builder: 'docker.io/paketobuildpacks/builder-jammy-base:0.4.500', user: 1001, group: 1000 },
    },
    egress: { never: ['203.0.113.7/32'] },
    ...changes,
  });

export const identityOf = (changes: Partial<PreviewIdentity> = {}): PreviewIdentity => ({
  ...{
    organizationId: '11111111-1111-4111-8111-111111111111',
    forge: 'one',
    host: 'one.example',
    repositoryRemoteId: 7n,
  },
  ...{ subject: { kind: 'pull-request', number: 12 }, owner: 'acme', repository: 'web', tag: 'gh', ...changes },
});

export const configOf = (written: unknown): PreviewConfig => previewConfigOf(previewSection.parse(written));

export interface Fixture {
  name: string;
  frame: PreviewFrame;
  secrets?: Record<string, string>;
}

const frameOf = (o: {
  identity?: Partial<PreviewIdentity>;
  config?: unknown;
  settings?: Record<string, unknown>;
  trusted?: boolean;
  private?: boolean;
}): PreviewFrame => {
  const identity = identityOf(o.identity);
  return {
    name: nameCandidates(identity)[0] ?? '',
    ...{
      identity,
      trusted: o.trusted ?? true,
      private: o.private ?? false,
      settings: settingsOf(o.settings),
      config: configOf(o.config ?? { build: {} }),
    },
  };
};

export const EVERYTHING = {
  services: {
    web: {
      build: { dockerfile: 'web/Dockerfile', context: 'web', target: 'run', args: { A: '$(id)', B: 'x,y=z' } },
      port: 80,
      env: { A: '${service.api.url}' },
      secrets: ['TOKEN'],
    },
    api: { build: { buildpack: true }, public: false, size: 'large', user: 2000, secrets: ['TOKEN', 'MISSING'] },
    docs: { image: 'ghcr.io/acme/docs:{sha}', command: ['serve', '--root', '$(id)'] },
  },
  database: { engine: 'postgres', size: 'medium', seed: { service: 'api', command: 'bin/seed; rm -rf /' } },
};

const wide = {
  egress: {
    trusted: ['0.0.0.0/0', '10.20.0.0/16', '169.254.169.254/32', '::/0'],
    untrusted: ['0.0.0.0/0'],
    never: ['203.0.113.7/32', '10.20.0.1/32'],
  },
};

/** Sixty, each a preview as somebody could bring it about. */
export const FIXTURES: Fixture[] = [
  ...CORPUS.slice(0, 20).map((owner, index) => ({
    name: `owner ${JSON.stringify(owner)}`,
    frame: frameOf({
      identity: { owner, repository: CORPUS[40 + index] ?? 'x' },
      trusted: index % 2 === 0,
      private: index % 3 === 0,
    }),
  })),
  ...CORPUS.slice(20, 40).map((branch, index) => ({
    name: `branch ${JSON.stringify(branch.slice(0, 40))}`,
    frame: frameOf({
      identity: { subject: { kind: 'branch', branch } },
      config: EVERYTHING,
      trusted: index % 2 === 0,
      private: index % 3 === 0,
    }),
  })),
  { name: 'nested groups', frame: frameOf({ identity: { owner: 'g~s~p~q~r~t~u'.repeat(12) }, config: EVERYTHING }) },
  {
    name: 'long names',
    frame: frameOf({ identity: { owner: 'o'.repeat(39), repository: 'r'.repeat(100) }, config: EVERYTHING }),
  },
  { name: 'huge number', frame: frameOf({ identity: { subject: { kind: 'pull-request', number: 2_000_000_000 } } }) },
  ...(['postgres', 'mysql', 'redis'] as const).map((engine) => ({
    name: `database ${engine}`,
    frame: frameOf({
      config: { image: 'a/b', database: { engine, seed: { command: ['$(id)', '`id`'] } } },
      trusted: engine !== 'redis',
    }),
  })),
  { name: 'wide egress', frame: frameOf({ settings: wide }) },
  { name: 'wide egress for strangers', frame: frameOf({ settings: wide, trusted: false, config: EVERYTHING }) },
  { name: 'user namespaces', frame: frameOf({ settings: { userNamespaces: true }, config: EVERYTHING }) },
  {
    name: 'runtime class',
    frame: frameOf({ settings: { runtimeClass: 'kata', untrustedRuntimeClass: 'gvisor' }, config: EVERYTHING }),
  },
  {
    name: 'runtime class for strangers',
    frame: frameOf({ settings: { untrustedRuntimeClass: 'gvisor' }, trusted: false }),
  },
  {
    name: 'Forgeway leads in',
    frame: frameOf({
      settings: { route: { kind: 'gateway', from: { namespace: 'forgeway', labels: { app: 'forgeway' } } } },
      config: EVERYTHING,
    }),
  },
  {
    name: 'Gateway API',
    frame: frameOf({
      settings: {
        route: {
          kind: 'http-route',
          from: { namespace: 'gw', labels: { app: 'gw' } },
          parent: { namespace: 'gw', name: 'public' },
        },
      },
      config: EVERYTHING,
    }),
  },
  {
    name: 'shared registry',
    frame: frameOf({
      settings: { registry: { kind: 'shared', prefix: 'registry.example:5000/previews' } },
      identity: { owner: '漢字' },
    }),
  },
  {
    name: 'variables full of text',
    frame: frameOf({
      config: {
        image: 'a/b',
        env: Object.fromEntries(
          CORPUS.filter((text) => !text.includes('\0')).map((text, index) => [`V${index}`, text]),
        ),
      },
    }),
  },
  {
    name: 'arguments full of text',
    frame: frameOf({ config: { image: 'a/b', command: CORPUS.filter((text) => !text.includes('\0')) } }),
  },
  {
    name: 'ten services',
    frame: frameOf({
      config: {
        services: Object.fromEntries(
          Array.from({ length: 10 }, (_, i) => [`s${'x'.repeat(28)}${i}`, { image: 'a/b', size: 'large' }]),
        ),
      },
    }),
  },
  { name: 'low port', frame: frameOf({ config: { image: 'a/b', port: 1 } }) },
  {
    name: 'strangers with secrets',
    frame: frameOf({ config: EVERYTHING, trusted: false }),
    secrets: { TOKEN: 'ghp_canary' },
  },
  { name: 'secrets full of text', frame: frameOf({ config: EVERYTHING }), secrets: { TOKEN: CORPUS.join('\n') } },
];

const HEX = '0123456789abcdef0123456789abcdef01234567';

/** Everything that would be applied for a fixture, in order. */
export function applied({ frame, secrets = { TOKEN: 'canary-token' } }: Fixture): Found[] {
  const input = {
    frame,
    placeId: `row-${HEX.slice(0, 7)}-3-x`,
    sha: HEX,
    pull: { 'ghcr.io': { username: 'u', password: 'pull-canary' } },
    secrets,
    databasePassword: 'p"w$(id)',
  };
  const run: RunInput = { ...input, images: imagesOf(input), asleep: false };
  const { before, seed, services } = running(run);
  return [
    ...foundation(frame),
    ...builds({
      ...input,
      source: {
        url: 'https://one.example/acme/web.git',
        ref: 'refs/pull/12/head',
        credential: { username: 'x', password: 'git-canary/@:' },
      },
      push: { 'ghcr.io': { username: 'u', password: 'push-canary' } },
      buildkitTls: { ca: 'CA', certificate: 'CERT', key: 'KEY' },
    }),
    ...before,
    ...(seed === undefined ? [] : [seed]),
    ...services,
    ...routes(run),
  ] as unknown as Found[];
}
