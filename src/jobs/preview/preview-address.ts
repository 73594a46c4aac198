/** The address of a preview, from how its listener is reached. */

export interface PreviewAddressOptions {
  /** Domain whose sub-domains are previews. */
  domain: string;
  /** Port of our listener, as it is bound. */
  port: number;
  /** How people reach it when a proxy stands in front; its host is replaced. */
  publicUrl?: string;
}

/** `http://acme-web-gh-pr-12.preview.localhost:3001`, without a trailing slash. */
export function previewAddress(options: PreviewAddressOptions, name: string): string {
  const { domain, port, publicUrl } = options;
  if (publicUrl === undefined) return `http://${name}.${domain}:${port}`;
  const base = new URL(publicUrl);
  return `${base.protocol}//${name}.${domain}${base.port === '' ? '' : `:${base.port}`}`;
}
