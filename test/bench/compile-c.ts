/** The small C programs of the benchmarks, compiled where they are needed. */
import { accessSync, constants } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { basename, delimiter, join } from 'node:path';
import { runCommand } from '#test/support/command.ts';

/** In the order of tools/build-cni.ts, but for musl-gcc, which sees no headers of the kernel. */
const COMPILERS = ['gcc', 'cc'] as const;
const FLAGS = ['-O2', '-D_GNU_SOURCE', '-std=gnu11', '-Wall', '-Wextra', '-Werror'] as const;

/** Compiles a file into the directory. The program's path; undefined without a compiler in PATH. Rejects with what the compiler says. */
export async function compileC(source: string, directory: string): Promise<string | undefined> {
  const compiler = findCompiler();
  if (compiler === undefined) return undefined;
  await mkdir(directory, { recursive: true });
  const program = join(directory, basename(source, '.c'));
  await runCommand(compiler, [...FLAGS, '-o', program, source]);
  return program;
}

function findCompiler(): string | undefined {
  const directories = (process.env['PATH'] ?? '').split(delimiter);
  return COMPILERS.flatMap((name) => directories.map((directory) => join(directory, name))).find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
