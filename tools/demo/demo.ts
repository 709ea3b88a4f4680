/**
 * `npm run demo -- NAME`: a story told by itself, on free ports and a fleet that is removed afterwards. The exit status is 0 only if
 * every step was seen. Without a name: the one of the cut.
 */
import { findModules, useCompileCache } from '@portcullis/device/quick-start';

useCompileCache();
findModules({ source: true });
const { Stage } = await import('./stage.ts');

const stories: Record<string, () => Promise<{ tell(stage: InstanceType<typeof Stage>): Promise<void> }>> = {
  cut: () => import('./cut.ts'),
  alert: () => import('./alert.ts'),
  lane: () => import('./lane.ts'),
  scan: () => import('./scan.ts'),
};

const [name = 'cut'] = process.argv.slice(2);
const story = Object.hasOwn(stories, name) ? stories[name] : undefined;
if (!story) {
  process.stderr.write(`there is no story "${name}"; it must be one of [${Object.keys(stories).join(', ')}]\n`);
  process.exit(2);
}

const stage = new Stage();
try {
  const { tell } = await story();
  await tell(stage);
  await stage.cleanUp();
  stage.seen('every step was seen');
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  await stage.cleanUp();
  process.exitCode = 1;
}
