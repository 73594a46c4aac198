/**
 * What an API server demands of an object beyond its schema, as far as objects of ours could fail it: names, labels, lists with
 * keys, quantities that must fit together, networks within networks. After the published validation; in our own words.
 */
import { cidrContains, parseCidr } from '../../../src/effects/kubernetes/networks.js';
import { type ApiObject, type Fields, invalid, kindOf, type Problem } from './objects.js';

const LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
/** A Service’s is also a name of DNS as it was first written down. */
const SERVICE = /^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/;
const QUALIFIED = /^(?:[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const VALUE = /^(?:[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;
const VARIABLE = /^[-._a-zA-Z][-._a-zA-Z0-9]*$/;
const DATA_KEY = /^[-._a-zA-Z0-9]{1,253}$/;
const PORT = /^(?=.*[a-z])[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?$/;
const MOST_ANNOTATIONS = 256 * 1024;
const MOST_DATA = 1024 * 1024;

const UNITS: Readonly<Record<string, number>> = { '': 1, m: 1e-3, Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30 };
function quantity(text: string): number {
  const [, digits, unit = ''] = /^(\d+)(m|Ki|Mi|Gi)?$/.exec(text) ?? [];
  if (digits === undefined) throw new Error(`no quantity: ${text}`);
  return Number(digits) * (UNITS[unit] ?? 1);
}

interface Container {
  name: string;
  env?: { name: string; value?: string; valueFrom?: Fields }[];
  ports?: { name?: string; containerPort: number; protocol?: string }[];
  volumeMounts?: { name: string; mountPath: string }[];
  resources?: { limits?: Record<string, string>; requests?: Record<string, string> };
}
interface PodSpec {
  containers: Container[];
  initContainers?: Container[];
  volumes?: { name: string }[];
  restartPolicy?: string;
}
interface Template {
  metadata?: { labels?: Record<string, string> };
  spec: PodSpec;
}

type Say = (field: string, problem: string) => void;

function unique(say: Say, field: string, keys: readonly string[]): void {
  const twice = keys.find((key, index) => keys.indexOf(key) !== index);
  if (twice !== undefined) say(field, `duplicate entries for key ${twice}`);
}

function ofMetadata(say: Say, labels: Fields = {}, annotations: Fields = {}, field = 'metadata'): void {
  for (const [key, value] of Object.entries(labels))
    if (!QUALIFIED.test(key) || !VALUE.test(String(value))) say(`${field}.labels`, `${key}=${String(value)}`);
  let size = 0;
  for (const [key, value] of Object.entries(annotations)) {
    if (!QUALIFIED.test(key.toLowerCase())) say(`${field}.annotations`, key);
    size += Buffer.byteLength(key) + Buffer.byteLength(String(value));
  }
  if (size > MOST_ANNOTATIONS) say(`${field}.annotations`, 'must have at most 262144 bytes');
}

function ofContainer(say: Say, container: Container, volumes: ReadonlySet<string>, field: string): void {
  const { name, env = [], ports = [], volumeMounts = [], resources = {} } = container;
  if (!LABEL.test(name)) say(`${field}.name`, name);
  unique(
    say,
    `${field}.env`,
    env.map((one) => one.name),
  );
  for (const { name: variable, value, valueFrom } of env) {
    if (!VARIABLE.test(variable)) say(`${field}.env`, variable);
    if (value !== undefined && value !== '' && valueFrom !== undefined) say(`${field}.env`, `${variable}: two values`);
  }
  unique(
    say,
    `${field}.ports`,
    ports.map((one) => `${one.containerPort}/${one.protocol ?? 'TCP'}`),
  );
  for (const { name: port, containerPort } of ports) {
    if (port !== undefined && !PORT.test(port)) say(`${field}.ports`, port);
    if (containerPort < 1 || containerPort > 65_535) say(`${field}.ports`, String(containerPort));
  }
  unique(
    say,
    `${field}.volumeMounts`,
    volumeMounts.map((one) => one.mountPath),
  );
  for (const mount of volumeMounts)
    if (!volumes.has(mount.name)) say(`${field}.volumeMounts`, `no volume ${mount.name}`);
  for (const [what, asked] of Object.entries(resources.requests ?? {})) {
    const most = resources.limits?.[what];
    if (most !== undefined && quantity(asked) > quantity(most))
      say(`${field}.resources`, `${what}: more than its limit`);
  }
}

function ofPod(say: Say, { containers, initContainers = [], volumes = [] }: PodSpec, claims: readonly string[]): void {
  const all = [...initContainers, ...containers];
  const names = [...volumes.map(({ name }) => name), ...claims];
  unique(say, 'spec.volumes', names);
  unique(
    say,
    'spec.containers',
    all.map(({ name }) => name),
  );
  for (const name of names) if (!LABEL.test(name)) say('spec.volumes', name);
  for (const one of all) ofContainer(say, one, new Set(names), `spec.containers[${one.name}]`);
}

function ofPolicy(say: Say, spec: Fields): void {
  const rules = [...((spec.ingress ?? []) as Fields[]), ...((spec.egress ?? []) as Fields[])];
  for (const rule of rules) {
    for (const port of (rule.ports ?? []) as { port?: number }[])
      if (typeof port.port === 'number' && (port.port < 1 || port.port > 65_535)) say('spec.ports', String(port.port));
    for (const { ipBlock } of [...((rule.from ?? []) as Fields[]), ...((rule.to ?? []) as Fields[])]) {
      if (ipBlock === undefined) continue;
      const { cidr, except = [] } = ipBlock as { cidr: string; except?: string[] };
      const outer = parseCidr(cidr);
      if (outer === undefined) say('spec.ipBlock', cidr);
      for (const one of except) {
        const inner = parseCidr(one);
        const isWithin = outer !== undefined && inner !== undefined && cidrContains(outer, inner);
        if (!isWithin || inner.bits === outer.bits)
          say('spec.ipBlock.except', `${one} must be a strict subset of ${cidr}`);
      }
    }
  }
}

function ofLimits(say: Say, spec: Fields): void {
  for (const item of spec.limits as Record<'default' | 'defaultRequest' | 'max', Record<string, string>>[]) {
    for (const [what, most] of Object.entries(item.max ?? {})) {
      const [given, asked] = [item.default?.[what], item.defaultRequest?.[what]];
      if (given !== undefined && quantity(given) > quantity(most))
        say('spec.limits', `default ${what} is more than max`);
      if (asked !== undefined && given !== undefined && quantity(asked) > quantity(given))
        say('spec.limits', `default request of ${what} is more than default limit`);
    }
  }
}

function ofJob(say: Say, spec: Fields, template: Template): void {
  const { restartPolicy } = template.spec;
  if (restartPolicy !== 'Never' && restartPolicy !== 'OnFailure')
    say('spec.template.spec.restartPolicy', String(restartPolicy));
  const policy = spec.podFailurePolicy as
    | { rules: { onExitCodes?: { operator: string; values: number[] } }[] }
    | undefined;
  if (policy === undefined) return;
  if (restartPolicy !== 'Never') say('spec.podFailurePolicy', 'only supported when restartPolicy is Never');
  for (const { onExitCodes } of policy.rules)
    if (onExitCodes?.operator === 'In' && onExitCodes.values.includes(0)) say('spec.podFailurePolicy', '0 with In');
}

/** @throws StatusError 422 that names every problem */
export function validate(object: ApiObject): void {
  const problems: Problem[] = [];
  const say: Say = (field, problem) =>
    void problems.push({ reason: 'FieldValueInvalid', field, message: `Invalid value: ${problem}` });
  const { kind, metadata } = object;
  const spec = object.spec ?? {};
  ofMetadata(say, metadata.labels, metadata.annotations);
  if (kind === 'Service') {
    if (!SERVICE.test(metadata.name)) say('metadata.name', metadata.name);
    const ports = (spec.ports ?? []) as { name?: string; port: number; protocol?: string }[];
    unique(
      say,
      'spec.ports',
      ports.map(({ port, protocol = 'TCP' }) => `${port}/${protocol}`),
    );
    for (const [at, { name }] of ports.entries()) {
      const field = `spec.ports[${at}].name`;
      if (ports.length > 1 && name === undefined)
        problems.push({ reason: 'FieldValueRequired', field, message: 'Required value' });
      if (name && !LABEL.test(name)) say(field, name);
    }
  }
  const template = spec.template as Template | undefined;
  if (template?.spec?.containers !== undefined) {
    const labels = template.metadata?.labels ?? {};
    ofMetadata(say, labels, {}, 'spec.template.metadata');
    const claims = ((spec.volumeClaimTemplates ?? []) as ApiObject[]).map((claim) => claim.metadata.name);
    ofPod(say, template.spec, claims);
    const selector = (spec.selector as { matchLabels?: Record<string, string> } | undefined)?.matchLabels ?? {};
    if (kind !== 'Job' && Object.entries(selector).some(([key, value]) => labels[key] !== value))
      say('spec.template.metadata.labels', '`selector` does not match template `labels`');
    if (kind === 'Job') ofJob(say, spec, template);
  }
  if (kind === 'NetworkPolicy') ofPolicy(say, spec);
  if (kind === 'LimitRange') ofLimits(say, spec);
  if (kind === 'Secret' || kind === 'ConfigMap') {
    const data = (object.data ?? {}) as Record<string, string>;
    for (const key of Object.keys(data)) if (!DATA_KEY.test(key)) say('data', key);
    const size = Object.values(data).reduce((sum, value) => sum + value.length, 0);
    if (size > MOST_DATA * 1.4) say('data', 'Too long: must have at most 1048576 bytes');
  }
  if (kind === 'Ingress')
    for (const { host = '' } of (spec.rules ?? []) as { host?: string }[])
      if (!host.split('.').every((label) => LABEL.test(label)) || host.length > 253) say('spec.rules.host', host);
  if (problems.length > 0) throw invalid(`${kindOf(kind)} "${metadata.name}"`, problems);
}
