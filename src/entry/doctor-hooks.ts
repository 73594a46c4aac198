/** What the watch over the webhooks has found, as the doctor tells it. */
import { describeWatch, type WatchReport, watchReports } from '../inbox/recovery/report.js';
import type { Store } from '../store/database.js';
import { type Finding, ok, warning } from './finding.js';
import type { HookFinding } from './hooks-doctor.js';

const GUIDE = 'See docs/guides/missed-webhooks.md for what else finds them.';

export async function webhooks(store: Store, organizationId: string, watchSeconds: number): Promise<Finding[]> {
  if (watchSeconds === 0) return [ok('webhooks', 'missed ones are not looked for (HOOK_WATCH_SECONDS=0)')];
  const reports = await watchReports(store, organizationId);
  const broken = reports.filter(({ trouble }) => trouble !== null);
  const sum = (of: (report: WatchReport) => number) => reports.reduce((total, report) => total + of(report), 0);
  const missed = sum((report) => report.missed);
  const givenUp = sum((report) => report.givenUp);
  const [first] = broken;
  return [
    first === undefined
      ? ok('webhooks', reports.length === 0 ? 'none was looked at yet' : `${reports.length} watched, all in order`)
      : warning(
          'webhooks',
          `${broken.length} of ${reports.length} may not deliver; on ${first.forge} ${first.host}: ${first.trouble}`,
          'forgeway hooks doctor',
        ),
    givenUp > 0
      ? warning('missed webhooks', `${givenUp} were given up in the last three days, ${missed} are asked for`, GUIDE)
      : ok('missed webhooks', missed === 0 ? 'none' : `${missed} are asked for`),
  ];
}

/** The hook of the App, which no connection has: what was found when it was last looked at. */
export function appFindings(reports: readonly WatchReport[]): HookFinding[] {
  return reports
    .filter(({ isApp }) => isApp)
    .map(({ hookId, forge, host, trouble }) => ({
      hook: hookId,
      connection: '',
      forge: `${forge} ${host}`,
      target: '(App)',
      state: trouble === null ? ('ok' as const) : ('problem' as const),
      finding: trouble ?? 'no trouble when it was looked at last',
      fix: trouble === null ? '' : 'Run `forgeway doctor`.',
    }));
}

/** Each finding with what the watch knows of its hook. */
export function withWatch(
  findings: readonly HookFinding[],
  reports: readonly WatchReport[],
): (HookFinding & { watch: string; lastLook: WatchReport | null })[] {
  const known = new Map(reports.map((report) => [report.hookId, report]));
  return findings.map((finding) => {
    const report = known.get(finding.hook);
    return {
      ...finding,
      watch: report === undefined ? 'not looked at yet' : describeWatch(report),
      lastLook: report ?? null,
    };
  });
}
