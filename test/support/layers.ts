/** The import rules of design section 3: what each folder of src/ may import from the others. */
export const layers: Readonly<Record<string, readonly string[]>> = {
  entry: [
    'webhook',
    'inbox',
    'translate',
    'handlers',
    'jobs',
    'effects',
    'forges',
    'accounts',
    'store',
    'api',
    'config',
    'lib',
  ],
  webhook: ['inbox', 'accounts', 'forges', 'store', 'lib'],
  inbox: ['forges', 'accounts', 'store', 'lib'],
  translate: ['forges', 'accounts', 'store', 'lib'],
  handlers: ['jobs', 'accounts', 'store', 'lib'],
  jobs: ['effects', 'translate', 'accounts', 'store', 'lib'],
  effects: ['config', 'lib'],
  forges: ['lib'],
  accounts: ['forges', 'store', 'lib'],
  store: ['config', 'lib'],
  api: ['accounts', 'inbox', 'jobs', 'store', 'forges', 'lib'],
  config: ['lib'],
  lib: [],
};

/** Types of the configuration may be named anywhere; its values come in as arguments. */
export const typeOnlyEverywhere: readonly string[] = ['config'];
