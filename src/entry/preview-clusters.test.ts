import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { loadConfig } from '../config/config.js';
import { isInside, operatorSettings } from './preview-clusters.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'forgeway-clusters-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function said(yaml: string) {
  const path = join(folder, 'cluster.yaml');
  await writeFile(path, yaml);
  const environment = { FORGEWAY_DATA_DIR: folder, PREVIEW_CLUSTER_SETTINGS: path, KUBECONFIG: path };
  return loadConfig({ ...environment, PREVIEW_DOMAIN: 'preview.example.net', PUBLIC_URL: 'https://fw.example.com' });
}

describe('what the operator says of clusters', () => {
  it('has the domain of the environment, and no other', async () => {
    expect(operatorSettings(await said('cache: 1')).domain).toBe('preview.example.net');
    expect(operatorSettings(await said('domain: preview.example.net')).domain).toBe('preview.example.net');
    const other = await said('domain: preview.example.org');
    expect(() => operatorSettings(other)).toThrow(/another domain than PREVIEW_DOMAIN, which is preview\.example\.net/);
  });

  it('never has strangers’ code where it shares cookies with the server', async () => {
    expect(operatorSettings(await said('untrustedDomain: strangers.example.org'))).toMatchObject({
      untrustedDomain: 'strangers.example.org',
    });
    for (const domain of ['fw.example.com', 'example.com', 'strangers.fw.example.com']) {
      const config = await said(`untrustedDomain: ${domain}`);
      expect(() => operatorSettings(config)).toThrow(/would share cookies with PUBLIC_URL/);
    }
  });

  it('knows that a kubeconfig leads elsewhere', async () => {
    expect(isInside(await said('cache: 1'), 'default')).toBe(false);
  });
});
