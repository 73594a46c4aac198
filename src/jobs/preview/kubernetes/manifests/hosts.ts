/** The names of hosts: one per public service, all of them directly below the domain, where one certificate covers them. */
import type { PreviewFrame } from './input.js';

const SEPARATOR = '--';
const LABEL_LIMIT = 63;

type Hosts = Pick<PreviewFrame, 'name' | 'config'>;

/** The preview's own name for its first public service; `api--name` for another, or `s2--name` where that is too long. */
export function hostLabel({ name, config }: Hosts, service: string): string {
  const index = config.services.findIndex((one) => one.name === service);
  if (config.services.find((one) => one.public)?.name === service) return name;
  const readable = `${service}${SEPARATOR}${name}`;
  return readable.length <= LABEL_LIMIT ? readable : `s${index}${SEPARATOR}${name}`;
}

/** Which service a host's first label asks for; undefined when it is none of this preview. */
export function serviceOfHost(preview: Hosts, label: string): string | undefined {
  return preview.config.services.find((one) => one.public && hostLabel(preview, one.name) === label)?.name;
}

/** The name of the preview in the first label of a host. */
export const previewOfHost = (label: string): string => label.split(SEPARATOR).at(-1) ?? label;

export function domainOf({ settings, trusted }: Pick<PreviewFrame, 'settings' | 'trusted'>): string {
  const { domain, untrustedDomain } = settings;
  if (trusted) return domain;
  if (untrustedDomain === undefined) throw new Error('no domain for strangers’ code; see whyNot');
  return untrustedDomain;
}

export const hostOf = (frame: PreviewFrame, service: string): string =>
  `${hostLabel(frame, service)}.${domainOf(frame)}`;
