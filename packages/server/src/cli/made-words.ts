/** What is said of a fleet that was made: of its keys, and what comes next. */
export function madeWords(fleet: string, directory: string, keys: string): string {
  return `made ${fleet} in ${directory}

${keys}

Next:
  portcullis up ${directory}
  portcullis token create my-device --fleet ${directory}`;
}
