import { spawnSync } from 'node:child_process'

/** Something that builds an image from the Dockerfile. */
export interface Engine {
  readonly name: string
  /** `undefined` where it can build, else why not. Bounded in time. */
  unusable(base: string): string | undefined
  /** Builds a stage and saves it as an archive. @throws when it fails, after it has said why */
  build(options: BuildOptions): void
}

export interface BuildOptions {
  readonly root: string
  readonly stage: string
  readonly tag: string
  readonly out: string
  /** Build arguments, by name. */
  readonly args: Readonly<Record<string, string>>
}

/** Build arguments as docker, podman and buildah take them. */
export const buildArgs = (args: BuildOptions['args']): string[] =>
  Object.entries(args).flatMap(([name, value]) => ['--build-arg', `${name}=${value}`])

/** Longest time to find out whether an engine answers. */
const ANSWER_MS = 10_000
/** Longest time for the base image to arrive. */
const PULL_MS = 120_000
const BUILD_MS = 900_000

/** An engine with docker's commands. */
function dockerLike(name: 'docker' | 'podman'): Engine {
  return {
    name,
    unusable(base) {
      if (!succeeds(name, ['info'], ANSWER_MS)) return 'is not there or does not answer'
      const has = succeeds(name, ['image', 'inspect', base], ANSWER_MS) || succeeds(name, ['pull', base], PULL_MS)
      return has ? undefined : `cannot get the base image ${base}`
    },
    build({ root, stage, tag, out, args }) {
      run(name, ['build', ...buildArgs(args), '--target', stage, '-t', tag, root])
      run(name, ['save', '-o', out, tag])
    },
  }
}

const buildah: Engine = {
  name: 'buildah',
  unusable(base) {
    if (!succeeds('buildah', ['info'], ANSWER_MS)) return 'is not there or does not work here'
    const has =
      succeeds('buildah', ['inspect', '--type', 'image', base], ANSWER_MS) ||
      succeeds('buildah', ['pull', base], PULL_MS)
    return has ? undefined : `cannot get the base image ${base}`
  },
  build({ root, stage, tag, out, args }) {
    // The isolation that needs the least of the machine; the build stage runs nothing but npm.
    const how = ['--layers', '--isolation', 'chroot', '--pull-never', ...buildArgs(args)]
    run('buildah', ['build', ...how, '--target', stage, '-t', tag, root])
    run('buildah', ['push', tag, `docker-archive:${out}:${tag}`])
  },
}

/** Every engine that is tried, the first usable one is taken. */
export const ENGINES: readonly Engine[] = [dockerLike('docker'), dockerLike('podman'), buildah]

function succeeds(program: string, args: readonly string[], timeout: number): boolean {
  return spawnSync(program, args, { stdio: 'ignore', timeout }).status === 0
}

function run(program: string, args: readonly string[]): void {
  const { status, error } = spawnSync(program, args, { stdio: ['ignore', 'inherit', 'inherit'], timeout: BUILD_MS })
  if (status !== 0) throw new Error(`${program} ${args[0]} failed: ${error?.message ?? `exit code ${status}`}`)
}
