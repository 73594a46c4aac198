/** What a browser does that matters for signing in: cookies by host, the origin of forms, redirects one at a time. */

export class Browser {
  readonly cookies = new Map<string, Map<string, string>>();
  /** Everything that servers set, with its attributes. */
  readonly setCookies: string[] = [];

  /** @param send how it reaches servers whose certificate the machine does not trust */
  constructor(
    private readonly send: (url: string, init: RequestInit) => Promise<Response> = (url, init) => fetch(url, init),
  ) {}

  jar(url: string): Map<string, string> {
    const { host } = new URL(url);
    const jar = this.cookies.get(host) ?? new Map<string, string>();
    this.cookies.set(host, jar);
    return jar;
  }

  async fetch(url: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    const jar = this.jar(url);
    if (jar.size > 0) headers.set('cookie', [...jar].map(([name, value]) => `${name}=${value}`).join('; '));
    const response = await this.send(url, { ...init, headers, redirect: 'manual' });
    for (const cookie of response.headers.getSetCookie()) {
      this.setCookies.push(cookie);
      const [pair = ''] = cookie.split(';');
      const at = pair.indexOf('=');
      const [name, value] = [pair.slice(0, at), pair.slice(at + 1)];
      if (/max-age=0/i.test(cookie) || value === '') jar.delete(name);
      else jar.set(name, value);
    }
    return response;
  }

  get(url: string, headers?: Record<string, string>): Promise<Response> {
    return this.fetch(url, { ...(headers && { headers }) });
  }

  /** A form of a page of that server, unless another origin is said. */
  post(url: string, form: Record<string, string>, headers: Record<string, string> = {}): Promise<Response> {
    return this.fetch(url, {
      method: 'POST',
      body: new URLSearchParams(form).toString(),
      headers: { 'content-type': 'application/x-www-form-urlencoded', origin: new URL(url).origin, ...headers },
    });
  }

  /** Follows redirects to where they end; answers the last address and its answer. */
  async follow(response: Response, from: string, most = 6): Promise<{ url: string; response: Response }> {
    let at = { url: from, response };
    for (let step = 0; step < most; step++) {
      const location = at.response.headers.get('location');
      if (location === null) return at;
      const url = new URL(location, at.url).href;
      at = { url, response: await this.get(url) };
    }
    throw new Error(`redirected without end, last to ${at.url}`);
  }
}
