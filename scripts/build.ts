import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { isBuiltin } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { build, type Metafile, type Plugin } from 'esbuild'
import { bundledPackages, LICENSES_FILE, renderLicenses } from './build/licenses.ts'

const root = dirname(import.meta.dirname)

/** What is bundled: the file below the output folder, and the module it starts at. */
const BUNDLES = {
  'hooks.js': 'hooks/main.ts',
  'sidecar.js': 'sidecar/main.ts',
  'balancer.js': 'balancer/main.ts',
  'examples/chat.js': 'examples/chat/app.mjs',
}

/**
 * Node's own modules as CommonJS has them. An `import` of one evaluates all that it exports, and for node:http that loads the whole of
 * undici: an eighth of the processor time that a program takes to start.
 */
const lazyBuiltins: Plugin = {
  name: 'lazy-builtins',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /./ }, ({ path, kind }) =>
      kind === 'import-statement' && isBuiltin(path) ? { path, namespace: 'builtin', sideEffects: false } : undefined,
    )
    onLoad({ filter: /./, namespace: 'builtin' }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)})`,
    }))
  },
}

/** One bundle that was written. */
export interface Bundle {
  /** Path below the output folder. */
  readonly name: string
  readonly file: string
  /** Size in bytes. */
  readonly size: number
  /** What esbuild says of it; paths start at the sources. */
  readonly metafile: Metafile
}

/**
 * Bundles each program into one file without packages beside it, as ECMAScript modules for Node 24. Nothing is minified, so stack
 * traces stay readable. The licenses of what is in them go beside them. `keepNames` would define the name of every closure anew, each time one is made.
 *
 * @param outDir emptied first
 * @param sources the checkout whose programs are bundled
 * @throws what esbuild throws, after it has printed the place in the source, and what {@link renderLicenses} throws
 */
export async function buildAll(outDir: string, sources = root): Promise<Bundle[]> {
  await mkdir(outDir, { recursive: true })
  // Not the folder itself, which may be a mount.
  for (const name of await readdir(outDir)) await rm(join(outDir, name), { recursive: true })
  await writeFile(join(outDir, 'package.json'), '{ "type": "module" }\n')
  const bundles = await Promise.all(
    Object.entries(BUNDLES).map(async ([name, entry]) => {
      const { metafile } = await build({
        absWorkingDir: sources,
        entryPoints: [entry],
        outfile: join(outDir, name),
        bundle: true,
        format: 'esm',
        platform: 'node',
        target: 'node24',
        legalComments: 'none',
        metafile: true,
        logLevel: 'warning',
        plugins: [lazyBuiltins],
        // Optional native helpers of ws; it works without them and asks for them in a try block.
        external: ['bufferutil', 'utf-8-validate'],
        // CommonJS packages call require() for built-in modules, which an ECMAScript module does not have.
        banner: {
          js: "import { createRequire as createRequire_ } from 'node:module'; const require = createRequire_(import.meta.url);",
        },
      })
      const size = Object.values(metafile.outputs).reduce((sum, { bytes }) => sum + bytes, 0)
      return { name, file: join(outDir, name), size, metafile }
    }),
  )
  await writeFile(join(outDir, LICENSES_FILE), renderLicenses(bundledPackages(bundles, sources)))
  return bundles
}

if (import.meta.main) {
  const started = performance.now()
  for (const { file, size } of await buildAll(join(root, 'dist'))) {
    console.log(`${relative(root, file).padEnd(24)} ${(size / 1024).toFixed(0).padStart(6)} KiB`)
  }
  console.log(`built in ${(performance.now() - started).toFixed(0)} ms`)
}
