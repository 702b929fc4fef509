/** `ipamd`: reads the environment, starts the daemon, stops it on SIGTERM or SIGINT. */
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import manifest from '../package.json' with { type: 'json' };
import { createInstanceMetadata } from '#cloud/aws/instance-metadata.ts';
import { ConfigError, parseConfig } from './config/config.ts';
import { clusterSource } from './kubernetes/source.ts';
import { unmetByCluster } from './kubernetes/unmet.ts';
import { helpText } from './config/help.ts';
import { notesOn } from './config/notes.ts';
import { startDaemon } from './daemon.ts';
import { createLog, errorFields } from './observe/log.ts';

const BOOT_ID = '/proc/sys/kernel/random/boot_id';

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { help: { type: 'boolean', short: 'h' }, version: { type: 'boolean' } } });
  if (values.help === true || values.version === true) {
    process.stdout.write(values.help === true ? helpText() : `${manifest.version}\n`);
    return 0;
  }
  const config = parseConfig(process.env);
  const source = clusterSource({ env: process.env, clusterEndpoint: config.clusterEndpoint });
  const unmet = unmetByCluster(config, source);
  if (unmet.length > 0) throw new ConfigError(unmet);
  const log = createLog({ level: config.logLevel, destination: config.logFile });
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort(new Error(signal)));
  // WELLSPRING_BOOT_ID stands in for the kernel's where a node is a network namespace and its reboot is played.
  const bootId = process.env['WELLSPRING_BOOT_ID'] ?? (await readFile(BOOT_ID, 'utf8')).trim();
  log.info({ version: manifest.version, config }, 'starting');
  for (const { kind, setting, sentence } of notesOn(process.env)) {
    if (kind === 'misspelt') log.warn({ setting, why: sentence }, 'a setting that is not known is ignored');
    else log.info({ setting, why: sentence }, 'a setting has no effect');
  }
  try {
    await using _daemon = await startDaemon({
      config,
      log,
      bootId,
      version: manifest.version,
      metadata: createInstanceMetadata(process.env),
      clusterSource: source,
      signal: stop.signal,
    });
    if (!stop.signal.aborted) await new Promise((resolve) => stop.signal.addEventListener('abort', resolve));
    log.info({ signal: (stop.signal.reason as Error).message }, 'stopping');
  } catch (error) {
    if (stop.signal.aborted) return 0;
    log.fatal(errorFields(error), 'cannot start');
    return 1;
  }
  return 0;
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`${error instanceof ConfigError ? error.message : String(error)}\n`);
    process.exit(error instanceof ConfigError ? 2 : 1);
  },
);
