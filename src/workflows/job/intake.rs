//! Taking in a file: from its bytes to chunks of rows, beside whoever keeps them.

use std::fs::File;
use std::io::BufReader;

use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::spawn_blocking;

use crate::csv::{Chunk, Columns, Encoding, FileError, MOST_RECORDS, Reader, detect};
use crate::error::Error;

/// How many chunks may wait to be kept.
const AHEAD: usize = 2;

/// Reads a file in a thread of its own. The chunks end where the file ends, or with an error; whoever drops the
/// receiver stops the reading.
///
/// # Errors
/// If the file cannot be read.
pub async fn read<C: Columns>(
    mut file: File,
    said_shift_jis: bool,
) -> Result<Receiver<Result<Chunk, Error>>, Error> {
    let found =
        spawn_blocking(move || detect(&mut file, said_shift_jis).map(|encoding| (file, encoding)))
            .await;
    let (file, encoding) = found
        .map_err(anyhow::Error::from)?
        .map_err(anyhow::Error::from)?;
    let (sender, receiver) = channel(AHEAD);
    let last_word = sender.clone();
    tokio::spawn(async move {
        // A file of which a part is missing must not look like a whole one.
        if let Err(panic) = spawn_blocking(move || send::<C>(file, encoding, &sender)).await {
            drop(last_word.send(Err(anyhow::Error::from(panic).into())).await);
        }
    });
    Ok(receiver)
}

fn send<C: Columns>(file: File, encoding: Encoding, sender: &Sender<Result<Chunk, Error>>) {
    let mut reader = Reader::<_, C>::new(BufReader::new(file), encoding);
    loop {
        let chunk = match reader.next_chunk() {
            Ok(Some(chunk)) => Ok(chunk),
            Ok(None) => return,
            Err(error) => Err(refused(error)),
        };
        let ended = chunk.is_err();
        if sender.blocking_send(chunk).is_err() || ended {
            return;
        }
    }
}

fn refused(error: FileError) -> Error {
    match error {
        FileError::Empty => Error::invalid("", "empty_file", text!("file-is-empty")),
        FileError::TooManyRecords => {
            let message = text!("file-may-have-at-most-rows", most_records = MOST_RECORDS);
            Error::invalid("", "too_many_records", message)
        }
        FileError::Io(error) => anyhow::Error::from(error).into(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek as _, Write as _};

    use super::*;
    use crate::csv::{Column, rows};

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.rewind().unwrap();
        file
    }

    #[tokio::test]
    async fn the_chunks_of_a_file_come_in_order() {
        let (bytes, _, _) = encoding_rs::SHIFT_JIS.encode("会員番号,会社名\n");
        let mut bytes = bytes.into_owned();
        (0..2500).for_each(|number| writeln!(bytes, "M{number},A").unwrap());
        let mut chunks = read::<Column>(file(&bytes), false).await.unwrap();
        let (mut sizes, mut last) = (Vec::new(), None);
        while let Some(chunk) = chunks.recv().await {
            let rows = rows(&chunk.unwrap().bytes).unwrap();
            sizes.push(rows.len());
            last = rows.into_iter().next_back();
        }
        assert_eq!(sizes, [1000, 1000, 500]);
        assert_eq!(last.unwrap().unwrap().number.as_deref(), Some("M2499"));
    }

    #[tokio::test]
    async fn an_empty_file_is_refused() {
        let mut chunks = read::<Column>(file(b""), false).await.unwrap();
        let Error::Problem(problem) = chunks.recv().await.unwrap().unwrap_err() else {
            panic!()
        };
        assert_eq!(problem.errors[0].code, "empty_file");
        assert!(chunks.recv().await.is_none());
    }
}
