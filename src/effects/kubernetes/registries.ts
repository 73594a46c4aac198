/** Secrets as an API server takes them, and credentials of registries as a kubelet reads them. */

/** By host: what images are pushed and pulled with. */
export type RegistryCredentials = Readonly<Record<string, { username: string; password: string }>>;

/** Values of a Secret. */
export const encoded = (data: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(data).map(([name, value]) => [name, Buffer.from(value).toString('base64')]));

/** As `docker login` writes it. */
export const dockerConfig = (credentials: RegistryCredentials): string =>
  JSON.stringify({
    auths: Object.fromEntries(
      Object.entries(credentials).map(([host, { username, password }]) => [
        // Docker's own hub goes by this address in such files.
        host === 'docker.io' ? 'https://index.docker.io/v1/' : host,
        { auth: Buffer.from(`${username}:${password}`).toString('base64') },
      ]),
    ),
  });
