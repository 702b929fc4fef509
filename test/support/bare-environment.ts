/** The environment of a process that shall have none: PATH, and where Node keeps what it compiled (jest.config.mjs). */
export function bareEnvironment(): Readonly<Record<string, string | undefined>> {
  return { PATH: process.env['PATH'], NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] };
}
